// The desk: a machine that is no part of the fleet, as of an operator or of CI. It publishes, and it looks at the cluster from outside.
// Requests come as lines of JSON, and each gets one line back. Told its settings as JSON on the command line.
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { manifestOf, sha256 } from '@quorate/model';
import { type Latest, openStore, publishManifest, readManifest, type Store, StoreError } from '@quorate/store';
import type { Deed, Kept } from './history.ts';
import type { Look } from './safe/judge.ts';
import type { Observation } from './settled.ts';
import { releaseText } from './text.ts';

export interface DeskSettings {
  readonly url: string;
  readonly bundle: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  /** JSON: `host:port` of the machines that there are now, as a DNS name would tell */
  readonly servers: string;
  /** where deeds are written, a line of JSON each */
  readonly deeds: string;
  /** likewise for {@link MembershipSeen} */
  readonly memberships: string;
}

export type DeskRequest =
  | { readonly ask: 'look' }
  | { readonly ask: 'line' }
  /** what instances say of themselves, and after that the heads of these bundles */
  | { readonly ask: 'heads'; readonly bundles: readonly string[] }
  /**
   * `publishers` publish side by side, one release each `every` ms; beside them `newcomers`, that open a session for each release as
   * `quorate publish` does; ends what went on before
   */
  | { readonly ask: 'publish'; readonly publishers: number; readonly newcomers: number; readonly every: number }
  | { readonly ask: 'rest' };

/** The ensemble's configuration when it was first seen so. `at` in ms of the monotonic clock, the same for all processes of a machine. */
export interface MembershipSeen {
  readonly at: number;
  readonly version: string;
  readonly voters: readonly string[];
  readonly observers: readonly string[];
}

/** ms between looks at the ensemble's configuration */
const MEMBERSHIP_MS = 100;
/** ms that a question may take: who asks comes again */
const ANSWER_MS = 10_000;

const settings = JSON.parse(process.argv[2]!) as DeskSettings;
const { bundle } = settings;
const now = (): number => Number(process.hrtime.bigint()) / 1e6;
const open = (): Promise<Store> =>
  openStore(settings.url, {
    tls: settings.tls,
    servers: async () => JSON.parse(readFileSync(settings.servers, 'utf8')) as string[],
  });
const note = (deed: Deed): void => appendFileSync(settings.deeds, `${JSON.stringify(deed)}\n`);
let publishing: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined;
let store: Promise<Store> | undefined;

void watchMembership();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...request } = JSON.parse(line) as DeskRequest & { id: number };
  void answer(request).then(
    (value) => process.stdout.write(`${JSON.stringify({ id, value })}\n`),
    (error: Error) => process.stdout.write(`${JSON.stringify({ id, error: error.message })}\n`),
  );
}
process.exit(0); // whoever asked is gone

async function answer(request: DeskRequest): Promise<unknown> {
  switch (request.ask) {
    case 'look':
      return look(await opened(), AbortSignal.timeout(ANSWER_MS));
    case 'line':
      return line(await opened());
    case 'heads':
      return heads(await opened(), request.bundles, AbortSignal.timeout(ANSWER_MS));
    case 'publish':
      await rest();
      publishing = begin(request);
      return true;
    case 'rest':
      return rest();
  }
}

/** The store that is looked through; one that did not answer is tried again by the next question. */
function opened(): Promise<Store> {
  store ??= open().catch((error: unknown) => {
    store = undefined;
    throw error;
  });
  return store;
}

async function look(from: Store, signal: AbortSignal): Promise<Observation> {
  const ensemble = from.ensemble!;
  const configuration = await ensemble.configuration({ signal });
  const [plan, cluster, records, machines, leaving, statuses, latest] = await Promise.all([
    ensemble.plan({ signal }),
    ensemble.cluster({ signal }),
    ensemble.members({ signal }),
    ensemble.machines({ signal }),
    ensemble.leaving({ signal }),
    from.instances({ signal }),
    from.latest(bundle, { signal }),
  ]);
  return { configuration, plan, cluster, records, machines, leaving, statuses, head: latest?.head.release ?? 0 };
}

async function heads(from: Store, bundles: readonly string[], signal: AbortSignal): Promise<Look> {
  const statuses = await from.instances({ signal });
  const latest = await Promise.all(bundles.map((name) => from.latest(name, { signal })));
  return {
    statuses,
    heads: Object.fromEntries(latest.flatMap((one) => (one ? [[one.release.bundle, one.head]] : []))),
  };
}

/** Every release from the first, with its content as it is read back. */
async function line(from: Store): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const number of await from.releases(bundle)) {
    const release = (await from.release(bundle, number))!;
    const files = (await readManifest(from, release)).filter((entry) => entry.kind === 'file');
    const contents = await Promise.all(files.map((entry) => from.blob(entry)));
    const texts = contents.map((bytes) => bytes.toString('utf8').trim());
    kept.push({ number, digest: release.digest, parent: release.parent, texts });
  }
  return kept;
}

function begin({ publishers, newcomers, every }: DeskRequest & { ask: 'publish' }): NonNullable<typeof publishing> {
  const stop = new AbortController();
  const named = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, at) => `${name}-${at + 1}`);
  const ended = Promise.all([
    ...named('publisher', publishers).map((name) => stay(name, every, stop.signal)),
    ...named('newcomer', newcomers).map((name) => comeAgain(name, every, stop.signal)),
  ]);
  return { stop, ended };
}

/** Ends with every outcome known, or noted as unknown. */
async function rest(): Promise<boolean> {
  publishing?.stop.abort();
  await publishing?.ended;
  publishing = undefined;
  return true;
}

/** One session for all releases. */
async function stay(by: string, every: number, signal: AbortSignal): Promise<void> {
  await using own = await openPatiently(signal);
  if (own) await publishOn(() => publishOnce(own, by), every, signal);
}

/** Another session for each release. */
function comeAgain(by: string, every: number, signal: AbortSignal): Promise<void> {
  const visit = async (): Promise<void> => {
    await using own = await open().catch(() => undefined); // nobody serves now
    if (own) await publishOnce(own, by);
  };
  return publishOn(visit, every, signal);
}

/** As a person would who is not put off: what was refused is not tried again, the next release is. */
async function publishOn(publish: () => Promise<void>, every: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const from = now();
    await publish();
    const pause = every * (0.75 + Math.random() / 2) - (now() - from); // else several publishers would march in step
    await delay(Math.max(pause, 1), undefined, { signal }).catch(() => undefined); // told to rest
  }
}

/** undefined when it is told to rest before */
async function openPatiently(signal: AbortSignal): Promise<Store | undefined> {
  while (!signal.aborted) {
    const own = await open().catch(() => undefined); // nobody serves now
    if (own) return own;
  }
  return undefined;
}

async function publishOnce(own: Store, by: string): Promise<void> {
  const id = randomUUID();
  const text = releaseText(id);
  try {
    const base = await own.latest(bundle);
    if (!base) return;
    note({ kind: 'attempt', by, text, base: base.release.number, at: now() });
    const { release } = await publishText(own, base, { author: by, text, id });
    note({ kind: 'acknowledged', by, text, release: release.number, digest: release.digest, at: now() });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    note({ kind: 'refused', by, text, code: error.code, at: now() });
  }
}

/** Every file of the bundle says the same. */
async function publishText(
  own: Store,
  base: Latest,
  { author, text, id }: { author: string; text: string; id: string },
): Promise<Latest> {
  const content = Buffer.from(`${text}\n`);
  const manifest = (await readManifest(own, base.release)).map((entry) =>
    entry.kind === 'file' ? { ...entry, size: content.byteLength, sha256: sha256(content) } : entry,
  );
  return publishManifest(own, {
    bundle,
    base,
    definition: base.release.definition,
    manifest: manifestOf(manifest),
    read: async () => content,
    author,
    message: id,
    id,
  });
}

/** Notes each configuration that is seen, for measurements. */
async function watchMembership(): Promise<void> {
  let last = '';
  for (;;) {
    try {
      const { ensemble } = await opened();
      const { version, members } = await ensemble!.configuration({ signal: AbortSignal.timeout(ANSWER_MS) });
      const inRole = (role: string): string[] =>
        members.filter((member) => member.role === role).map(({ address }) => address);
      if (version !== last) {
        const seen: MembershipSeen = { at: now(), version, voters: inRole('voter'), observers: inRole('observer') };
        appendFileSync(settings.memberships, `${JSON.stringify(seen)}\n`);
      }
      last = version;
    } catch {
      // no majority now: the next look tells
    }
    await delay(MEMBERSHIP_MS);
  }
}
