import type { ZooKeeper } from '@quorate/zookeeper';
import { checkFormat, FORMAT_RECORD } from '../format.ts';
import { type AclOption, type Acls, grantShared } from './acls.ts';
import type { Blobs } from './blobs.ts';
import { createFixed, orUndefined } from './missing.ts';
import {
  AUDIT,
  BLOBS,
  BUNDLES,
  CANDIDATES,
  FORMAT,
  GENERATION,
  INSTANCES,
  offerPath,
  releasesPath,
  VOTES,
  votesOf,
} from './paths.ts';

/** The nodes that everything else lies in. They are made when something is first written, and never removed. */
export class Tree {
  /** of what all bundles share */
  readonly acl: AclOption;
  /** of what instances alone write: their statuses, the ensemble's records */
  readonly fleetAcl: AclOption;
  /** whose certificate the store was opened with */
  readonly certificate: string | undefined;
  readonly #url: string;
  readonly #acls: Acls | undefined;
  readonly #made = new Set<string>();
  #formatKnown = false;
  #generation: number | undefined;

  constructor(url: string, acls: Acls | undefined, certificate?: string) {
    this.#url = url;
    this.certificate = certificate;
    this.#acls = acls;
    this.acl = acls ? { acl: acls.published() } : {};
    this.fleetAcl = acls ? { acl: acls.fleet } : {};
  }

  /** Of what is published of a bundle. */
  aclOf(bundle: string): AclOption {
    return this.#acls ? { acl: this.#acls.published(bundle) } : {};
  }

  /** Of what is offered: of a bundle, or what all bundles share. */
  offeredAcl(bundle?: string): AclOption {
    return this.#acls ? { acl: this.#acls.offered(bundle) } : {};
  }

  /** @returns whether there is a store @throws StoreError NEWER_FORMAT, CORRUPT */
  async checkFormat(zk: ZooKeeper): Promise<boolean> {
    if (this.#formatKnown) return true;
    const read = await orUndefined(zk.get(FORMAT));
    if (!read) return false;
    checkFormat(this.#url, read.data.toString('utf8'));
    this.#formatKnown = true;
    return true;
  }

  /**
   * Makes what a publication to this bundle needs: one round of reads where it is there, none where that is known.
   * @returns the generation of collections from before the publication verifies its blobs
   */
  async prepare(zk: ZooKeeper, bundle: string, blobs: Blobs): Promise<number> {
    if (this.#generation !== undefined && this.#made.has(bundle)) return this.#generation;
    const [there, releases, generation] = await Promise.all([
      this.checkFormat(zk),
      this.#made.has(bundle) || zk.exists(releasesPath(bundle)),
      zk.exists(GENERATION),
      blobs.learnShards(zk),
    ]);
    if (!there) await this.#make(zk);
    if (!releases) await this.#makeBundle(zk, bundle);
    await this.prepareAudit(zk);
    this.#made.add(bundle);
    this.#generation = (generation ?? (await this.#makeGeneration(zk))).version;
    return this.#generation;
  }

  async #make(zk: ZooKeeper): Promise<void> {
    await zk.ensure(BLOBS, this.acl);
    await createFixed(zk, FORMAT, FORMAT_RECORD, this.acl);
    await this.checkFormat(zk); // a newer Quorate may have been faster
  }

  async #makeBundle(zk: ZooKeeper, bundle: string): Promise<void> {
    if (!(await zk.exists(BUNDLES))) await zk.ensure(BUNDLES, this.acl);
    await zk.ensure(releasesPath(bundle), this.aclOf(bundle));
  }

  async #makeGeneration(zk: ZooKeeper): Promise<{ version: number }> {
    await createFixed(zk, GENERATION, '', this.acl);
    return (await zk.exists(GENERATION)) ?? { version: 0 };
  }

  /** What a publisher may not make: everything but the bundles themselves. For the instance that founds. Repeatable. */
  async found(zk: ZooKeeper): Promise<void> {
    await zk.ensure('/', this.fleetAcl);
    if (!(await this.checkFormat(zk))) await this.#make(zk);
    await zk.ensure(BUNDLES, this.acl);
    await this.#makeGeneration(zk);
    await this.prepareInstances(zk);
  }

  async prepareInstances(zk: ZooKeeper): Promise<void> {
    if (this.#made.has(INSTANCES)) return;
    await zk.ensure(INSTANCES, this.fleetAcl);
    await this.prepareOffers(zk);
    await this.prepareAudit(zk);
    this.#made.add(INSTANCES);
  }

  /** In a closed store publishers may not make what lies at its root: instances have, when they showed themselves. */
  async prepareOffers(zk: ZooKeeper): Promise<void> {
    if (this.#made.has(CANDIDATES)) return;
    await Promise.all([CANDIDATES, VOTES].map((path) => zk.ensure(path, this.offeredAcl())));
    this.#made.add(CANDIDATES);
  }

  /** As above: what lies at the root is made by instances, where the store is closed. */
  async prepareAudit(zk: ZooKeeper): Promise<void> {
    if (this.#made.has(AUDIT)) return;
    await zk.ensure(AUDIT, this.acl);
    this.#made.add(AUDIT);
  }

  async prepareVotes(zk: ZooKeeper, bundle: string): Promise<void> {
    await this.prepareOffers(zk);
    const path = votesOf(bundle);
    if (this.#made.has(path)) return;
    await zk.ensure(path, this.offeredAcl(bundle));
    await zk.ensure(offerPath(bundle), this.aclOf(bundle));
    this.#made.add(path);
  }

  /** Lets the publishers of one bundle in, whose certificates name it. For an instance. Repeatable. */
  async letPublish(zk: ZooKeeper, cluster: string, bundle: string): Promise<void> {
    const shards = Array.from({ length: 256 }, (_, at) => `${BLOBS}/${at.toString(16).padStart(2, '0')}`);
    await zk.ensure(BLOBS, this.acl);
    await Promise.all(shards.map((path) => zk.ensure(path, this.acl)));
    await this.prepareOffers(zk);
    await this.prepareAudit(zk);
    await zk.ensure(votesOf(bundle), this.offeredAcl(bundle));
    await grantShared(zk, { cluster, bundle }, { contents: [BLOBS, ...shards, AUDIT], offers: [CANDIDATES] });
  }

  /** A step failed: whatever was known may be wrong. */
  forget(): void {
    this.#generation = undefined;
    this.#made.clear();
  }

  /** A bundle's first release raised it. */
  raised(from: number): void {
    if (this.#generation === from) this.#generation = from + 1;
  }
}
