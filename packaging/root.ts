import { fileURLToPath } from 'node:url';

/** The checkout, with a slash behind it. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));
