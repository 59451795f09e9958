/** Where things are, below the store's prefix. */
export const FORMAT = 'format';
/** The one record that names all bundles. */
export const REGISTRY = 'bundles';
export const headKey = (bundle: string): string => `heads/${bundle}`;
export const releaseKey = (bundle: string, number: number): string => `releases/${bundle}/${number}`;
export const tagsKey = (bundle: string): string => `tags/${bundle}`;
export const BLOBS = 'blobs/';
export const blobKey = (hash: string): string => `${BLOBS}${hash.slice(0, 2)}/${hash}`;
export const TRASH = 'trash/';
export const AUDIT = 'audit/';
export const INSTANCES = 'instances/';
export const instanceKey = (id: string): string => `${INSTANCES}${encodeURIComponent(id)}`;
