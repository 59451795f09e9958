import { resolve } from 'node:path';
import { StoreError } from './errors.ts';
import type { Hints } from './hints.ts';
import type { Store } from './store.ts';

export interface OpenOptions {
  readonly signal?: AbortSignal;
  /** ms until a store that does not answer is given up: for ZooKeeper 15,000 unless said, for S3 as long as its attempts take */
  readonly connectTimeout?: number;
  /** ms in which the archive is to have what was published, where that is the cluster's durability; 30,000 unless said */
  readonly archiveWait?: number;
  /** more `host:port` of a ZooKeeper store whose servers come and go, asked for before each session; the ensemble's own list is followed then */
  readonly servers?: () => Promise<readonly string[]>;
  /** files for `zk+tls:` */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** `user:password` for ensembles that ask for digest authentication; nodes are then made for this user alone */
  readonly auth?: string;
  /** ms between looks at a store that gives no events: a second for a folder, 30 for S3 unless said */
  readonly pollMs?: number;
  /** by which somebody who hears of changes in S3 otherwise tells of them; looks are ten times rarer while one does, unless `pollMs` or the URL says */
  readonly hints?: Hints;
  /** told what somebody should know of that is no error: a clock that S3 refused */
  readonly tell?: (line: string) => void;
}

const EXAMPLES =
  'dir:/mnt/shared/quorate, zk://10.0.0.1:2181,10.0.0.2:2181/quorate, zk+tls://10.0.0.1:2281/quorate or s3://my-bucket/quorate?region=eu-central-1';

/**
 * The store that a URL names. An adapter's code is loaded only when it is asked for.
 * @throws StoreError BAD_URL; UNREACHABLE when it does not answer in time
 */
export async function openStore(url: string, options: OpenOptions = {}): Promise<Store> {
  const [, scheme, rest] = /^([a-z0-9+]+):(.*)$/.exec(url) ?? [];
  switch (scheme) {
    case 'dir': {
      if (!rest)
        throw new StoreError('BAD_URL', `the store ${url} names no folder: write for example dir:/mnt/shared/quorate`);
      const { DirectoryStore } = await import('./directory/store.ts');
      return DirectoryStore.open(resolve(rest), { pollMs: options.pollMs });
    }
    case 'zk':
    case 'zk+tls': {
      const { openZooKeeperStore } = await import('./zookeeper/open.ts');
      return openZooKeeperStore(url, options);
    }
    case 's3': {
      const [{ S3Store }, { bucketPlace }] = await Promise.all([import('./s3/store.ts'), import('./s3/place.ts')]);
      const { signal, pollMs, hints, connectTimeout, tell } = options;
      return S3Store.open(bucketPlace(url), { signal, pollMs, hints, connectTimeout, ...(tell ? { tell } : {}) });
    }
    default:
      throw new StoreError('BAD_URL', `${JSON.stringify(url)} is no store: write ${EXAMPLES}`);
  }
}
