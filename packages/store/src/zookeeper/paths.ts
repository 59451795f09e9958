import type { BlobRef } from '@quorate/model';

/** The tree of a store, below its chroot. */
export const FORMAT = '/format';
/** a node whose version is the generation of blob collections */
export const GENERATION = '/gc';
export const BUNDLES = '/bundles';
export const BLOBS = '/blobs';
export const INSTANCES = '/instances';
/** releases that are offered; its data version counts the offers, for collections */
export const CANDIDATES = '/candidates';
export const VOTES = '/votes';
/** what was done to the cluster: a node for each record, numbered */
export const AUDIT = '/audit';
/** the records of the ensemble itself */
export const ENSEMBLE = '/ensemble';
export const CLUSTER = `${ENSEMBLE}/cluster`;
export const ARCHIVE = `${ENSEMBLE}/archive`;

export const headPath = (bundle: string): string => `${BUNDLES}/${bundle}/head`;
export const releasesPath = (bundle: string): string => `${BUNDLES}/${bundle}/releases`;
export const releasePath = (bundle: string, number: number): string => `${releasesPath(bundle)}/${number}`;
export const tagsPath = (bundle: string): string => `${BUNDLES}/${bundle}/tags`;
/** names the candidate that whoever may publish the bundle has shown: others can make a node among the candidates, and not change this one */
export const offerPath = (bundle: string): string => `${BUNDLES}/${bundle}/offer`;
export const shardPath = (hash: string): string => `${BLOBS}/${hash.slice(0, 2)}`;
export const blobPath = (hash: string): string => `${shardPath(hash)}/${hash}`;
/** A name that anybody may have chosen, as the name of a node. */
export const nodeName = (text: string): string => encodeURIComponent(text).replace(/^\./, '%2E');
export const instancePath = (id: string): string => `${INSTANCES}/${nodeName(id)}`;
export const candidatePath = (bundle: string): string => `${CANDIDATES}/${bundle}`;
export const votesOf = (bundle: string): string => `${VOTES}/${bundle}`;
/** Votes on one candidate; gone with it. */
export const votesPath = (bundle: string, id: string): string => `${votesOf(bundle)}/${nodeName(id)}`;

/** Bytes of one node at most: far below ZooKeeper's limit of 1 MB for a whole request. Part of the format. */
export const CHUNK_BYTES = 512 * 1024;

/** How many chunk nodes a blob has; 0 where its own node holds it. */
export const chunkCount = ({ size }: BlobRef): number => (size <= CHUNK_BYTES ? 0 : Math.ceil(size / CHUNK_BYTES));

export const chunkPath = (hash: string, at: number): string => `${blobPath(hash)}/${String(at).padStart(4, '0')}`;
