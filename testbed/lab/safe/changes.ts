import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Rollout } from '@quorate/model';
import { quorate, type Ran, SHARE, until } from '../../src/index.ts';
import { type Lab, monotonic } from '../lab.ts';
import { Load } from '../load.ts';
import type { Machine } from '../machine.ts';
import { type Kind, names, needsQuiet, whileFull } from './bad.ts';
import { allowedBy, type Published, strange, tooMany } from './judge.ts';
import { type Content, PAGES, SOFTWARE, type Software } from './software.ts';

/** ms between two looks at what instances say */
const LOOK = 100;
/** ms for anything to come about: a bound for what never comes */
const PATIENCE = 300_000;
const REFUSED = 4;

/** Publishes good and bad releases for real servers, while requests go to all of them and everything is looked at. */
export class Changes implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #published: Published[] = [];
  /** what went wrong, in words */
  readonly #faults: string[] = [];
  readonly #ended = new AbortController();
  /** s that each good release took, from its offer until all answer by it */
  readonly #took: number[] = [];
  #load: Load | undefined;
  #watched: Promise<void> | undefined;
  #turn = 0;
  /** how often instances were looked at */
  #looks = 0;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Debian's own trees become bundles, then the servers are started. */
  async begin(): Promise<void> {
    const first = this.#lab.running[0]!;
    for (const software of SOFTWARE) await this.#takeOver(first, software);
    await Promise.all(this.#lab.running.map((machine) => startServers(machine)));
  }

  async #takeOver(first: Machine, software: Software): Promise<void> {
    const { bundle, root, link } = software;
    const imported = await quorate(first.instance, ['import', bundle, root, '--link', link, '-m', `Debian's own tree`]);
    // on a machine that is very busy it is adopted later than the command waits for
    if (imported.code !== 0 && !imported.stderr.includes('did not adopt'))
      throw new Error(`the import of ${root}: ${imported.stdout}${imported.stderr}`);
    await until(
      `${bundle} is adopted everywhere`,
      async () => {
        const { statuses } = await this.#lab.desk.heads([bundle]);
        return statuses.every(({ bundles }) => bundles[bundle]?.applied === 1);
      },
      PATIENCE,
    );
    await first.quorate('show', bundle, '--to', `${SHARE}/${bundle}.native`);
    // as version control has it: it does not say which release it was made from
    await rm(join(`${this.#folder(software)}.native`, '.quorate.json'));
    const { templates } = software.definition;
    const content = { text: `${bundle}-first` };
    const { code, stdout, stderr } = await this.#publish(software, content, { root, link, templates }, [
      '--wait',
      '300',
    ]);
    if (code !== 0) throw new Error(`the first release of ${bundle}: ${stdout}${stderr}`);
    this.#note(software, content.text, false);
  }

  /** Requests to all of them begin, and are answered. */
  async serve(): Promise<void> {
    this.#load = Load.begin(this.#lab.desk.instance);
    this.#watched = this.#watch();
    const targets = SOFTWARE.flatMap((software) => this.#targets(software));
    await until(
      'every server listens',
      async () => (await Promise.all(this.#lab.running.map(listens))).every(Boolean),
      PATIENCE,
    );
    this.#load!.aimAt(targets);
    for (const software of SOFTWARE) await this.#answers(software, `${software.bundle}-first`);
  }

  /** A release that is well goes to all. */
  async good(software: Software): Promise<void> {
    const text = this.#name(software, 'good');
    const release = this.#note(software, text, false);
    const { code, stdout, stderr } = await this.#publish(software, { text }, software.definition, ['--wait']);
    if (code !== 0) throw new Error(`${text} ended with ${code}: ${stdout}${stderr}`);
    await this.#answers(software, text);
    this.#took.push((monotonic() - release.from) / 1000);
    const before = this.#published
      .filter((one) => one.bundle === software.bundle && one !== release && !one.isBad)
      .at(-1)!;
    before.to = monotonic();
  }

  /**
   * A release that is bad is refused or taken back, and its publisher is told why.
   * @param asked whether the fleet is asked before; where not, it goes out in steps even where an instance would have found out
   */
  async bad(software: Software, kind: Kind, where: Machine, asked: boolean): Promise<void> {
    const text = this.#name(software, 'bad');
    const release = this.#note(software, text, true);
    const before = this.#published.filter((one) => one.bundle === software.bundle && !one.isBad).at(-1)!;
    const content = { text, ...kind.content(software, where) };
    const definition = { ...software.definition, ...kind.definition?.(software) };
    const flags = ['--wait', ...(asked ? [] : ['--skip-vote', 'a bad day'])];
    const publish = (): Promise<Ran> => this.#publish(software, content, definition, flags);
    const { code, stdout, stderr } = await (needsQuiet(kind) ? whileFull(where, publish) : publish());
    const said = `${stdout}${stderr}`;
    if (code !== REFUSED || !names(said, kind, software, where))
      throw new Error(`${text}: the publisher was told (${code}): ${said}`);
    if (!asked || !kind.isFoundByTrying) {
      release.allowed = allowedBy(await this.#gone(software, text), this.#lab.running);
      const { stdout: status } = await where.quorate('rollout', 'status', software.bundle);
      if (!names(status, kind, software, where)) throw new Error(`${text}: the rollout's status is: ${status}`);
    }
    await this.#answers(software, before.text);
    release.to = monotonic();
  }

  /** @returns how many requests were answered. @throws Error that tells all that was not as it should be */
  async end(): Promise<{ answered: number; looks: number; took: readonly number[] }> {
    this.#ended.abort();
    await this.#watched;
    const { answered, faults } = await this.#load!.end();
    const wrong = [
      ...faults.map(({ address, fault }) => `a request to ${address} failed: ${fault}`),
      ...strange(this.#load!.answers, this.#published),
      ...this.#faults,
    ];
    const distinct = [...Map.groupBy(wrong, (what) => what)].map(([what, all]) => `${all.length} times: ${what}`);
    if (wrong.length > 0)
      throw new Error(
        `${faults.length} of ${answered + faults.length} requests failed:\n${distinct.slice(0, 20).join('\n')}`,
      );
    return { answered, looks: this.#looks, took: this.#took };
  }

  /** Nobody looks any more, and no requests are sent, whatever came of the story. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#watched;
    await this.#load?.end();
  }

  #name({ bundle }: Software, kind: string): string {
    return `${bundle}-${this.#published.length}-${kind}`;
  }

  #note({ bundle }: Software, text: string, isBad: boolean): Published {
    const release = { bundle, text, isBad, from: monotonic(), to: Number.POSITIVE_INFINITY, allowed: 0 };
    this.#published.push(release);
    return release;
  }

  #folder({ bundle }: Software): string {
    return join(this.#lab.fleet.share, bundle);
  }

  #targets({ port }: Software): string[] {
    return this.#lab.running.map(({ address }) => `${address}:${port}`);
  }

  /** By any machine: nobody is special (P7). */
  async #publish(software: Software, content: Content, definition: object, flags: readonly string[]): Promise<Ran> {
    const folder = this.#folder(software);
    await rm(folder, { recursive: true, force: true });
    await cp(`${folder}.native`, folder, { recursive: true, verbatimSymlinks: true });
    const native = (path: string): string => readFileSync(join(folder, path), 'utf8');
    for (const [path, text] of Object.entries(software.files(content, native)))
      await writeFile(join(folder, path), text);
    if (content.ballast) await writeFile(join(folder, 'ballast'), randomBytes(content.ballast));
    await writeFile(`${folder}.yaml`, JSON.stringify(definition));
    const machines = this.#lab.running;
    const machine = machines[this.#turn++ % machines.length]!;
    const where = `${SHARE}/${software.bundle}`;
    const args = ['publish', software.bundle, where, '--definition', `${where}.yaml`, '-m', content.text, '--yes'];
    return quorate(machine.instance, [...args, ...flags], { timeout: 600_000 });
  }

  /** All of a software's servers answer by a release, and have done so for a while. */
  async #answers(software: Software, text: string): Promise<void> {
    const missing = (): string[] =>
      this.#targets(software).filter((target) => {
        const last = this.#load!.answers.findLast(({ address }) => address === target);
        return !(last?.isSteady && last.release === text);
      });
    await until(`${text} is answered by all`, async () => missing().length === 0, PATIENCE).catch((cause: Error) => {
      throw new Error(`${cause.message}: not by ${missing().join(', ')}`, { cause });
    });
  }

  /** No instance has it, and all are well with the one before. */
  #gone({ bundle }: Software, text: string): Promise<Rollout> {
    return until(
      `${text} is gone from every instance`,
      async () => {
        const { statuses, heads } = await this.#lab.desk.heads([bundle]);
        const { rollout } = heads[bundle]!;
        const isBack = statuses.every(({ bundles }) => {
          const { applied, state } = bundles[bundle] ?? {};
          return applied === rollout?.from && state === 'applied';
        });
        return rollout?.state === 'back' && isBack && rollout;
      },
      PATIENCE,
    );
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ended;
    const bundles = SOFTWARE.map(({ bundle }) => bundle);
    while (!signal.aborted) {
      const look = await this.#lab.desk.heads(bundles).catch(() => undefined); // no majority now: the next look tells
      if (look) this.#looks++;
      this.#faults.push(...(look ? tooMany(look, this.#lab.running) : []));
      await delay(LOOK, undefined, { signal }).catch(() => undefined); // the end of the story
    }
  }
}

async function startServers(machine: Machine): Promise<void> {
  const page = `mkdir -p ${PAGES} /var/log/apache2 /run/apache2 /run/lock/apache2; echo served >${PAGES}/index.html; echo well >${PAGES}/health`;
  await machine.instance.run(['sh', '-ec', page]);
  for (const software of SOFTWARE) software.start(machine);
}

/** Whether all of a machine's servers answer. */
async function listens({ instance, address }: Machine): Promise<boolean> {
  const asked = SOFTWARE.map(({ port }) =>
    instance.run(['curl', '-sf', `http://${address}:${port}/`], { check: false }),
  );
  return (await Promise.all(asked)).every(({ code }) => code === 0);
}
