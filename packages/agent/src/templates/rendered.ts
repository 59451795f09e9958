import { type BlobRef, type FleetMember, type InstanceFacts, type OutsideSecret, sha256 } from '@quorate/model';

/** How a tree was rendered: kept with it, so that it is made anew without asking anybody, and known to be out of date. */
export interface Rendered {
  /** the manifest as it is staged */
  readonly pages: readonly BlobRef[];
  readonly facts: RenderedFacts;
}

export interface RenderedFacts {
  readonly instance: InstanceFacts;
  /** where a template reads it */
  readonly fleet?: readonly FleetMember[];
  /** secrets that are kept elsewhere, with the SHA-256 of what each was: they are looked at again */
  readonly outside?: Readonly<Record<string, { readonly from: OutsideSecret; readonly sha256: string }>>;
}

/** Of what was rendered; undefined where nothing was. */
export function renderedDigest(rendered: Rendered | undefined): string | undefined {
  return rendered && sha256(rendered.pages.map((page) => page.sha256).join());
}

/** Whether two renderings of one release gave the same files. */
export function sameRendered(a: Rendered | undefined, b: Rendered | undefined): boolean {
  return renderedDigest(a) === renderedDigest(b);
}
