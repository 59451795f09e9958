import { conformanceAtScale } from '../conformance-at-scale.ts';
import { DirectoryPlace } from '../directory-place.ts';

conformanceAtScale('a directory', { make: DirectoryPlace.make });
