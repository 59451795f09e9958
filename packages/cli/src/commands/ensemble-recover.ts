import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type AgentError,
  arbiterOf,
  askState,
  discoveryOf,
  knownAddresses,
  type Settings,
  StaticArbiter,
  TrustFolder,
  withPort,
} from '@quorate/agent';
import { FOUNDING_FORMAT, type FoundingRecord, type PeerAnswer, planRecovery, type RecoveryPlan } from '@quorate/model';
import { noteAlone } from '../audit.ts';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { confirm } from '../output/ask.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';

export interface RecoverFlags extends GlobalFlags {
  readonly here?: boolean;
}

/** ms for another machine's answer */
const ANSWER_MS = 5000;
/** s in which a member notices that its majority is gone, and its agent that it does */
const SETTLES_WITHIN = 20;
/** s in which the member starts anew and serves */
const SERVES_WITHIN = 60;

/** Founds the ensemble again from what this machine has, after its majority is lost for good. Only an operator can know that. */
export async function recover(flags: RecoverFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { settings } = context;
  if (!settings.ensemble || !settings.address)
    throw new CliError(
      EXIT.failed,
      'this machine is in no ensemble that looks after itself',
      'run this on a machine that has data of the ensemble',
    );
  const { own, silent, plan } = await look(settings, (why) =>
    context.say(`${why}; looking again for ${SETTLES_WITHIN} s`),
  );
  const text = describe(plan, silent, own);
  if (plan.refusal) throw new CliError(EXIT.failed, plan.refusal, '`quorate ensemble status` shows each machine');
  if (!hasMost(plan, own.instance) && !flags.here)
    throw new CliError(
      EXIT.failed,
      `${plan.best} has more than this machine: run this there\n\n${text}`,
      'where that cannot be, add --here: what only it has is lost then',
    );
  context.say(text);
  if (!(await confirm(`Found the ensemble again from this machine, as generation ${plan.generation}?`, context.yes))) {
    context.say('nothing was done');
    return EXIT.failed;
  }
  await permit(settings, own, plan.generation);
  await served(settings, plan.generation);
  const what = `generation ${plan.generation}, from ${own.instance}`;
  await noteAlone(settings, { action: 'ensemble recover', what });
  context.print({ generation: plan.generation, instance: own.instance, plan }, () =>
    [
      `${paint('green', '✓')} generation ${plan.generation} serves on this machine, with what it had`,
      '→ the other machines set their data aside and join again by themselves; one of the old generation that comes back later does too',
      '→ `quorate ensemble status` shows them; look at the newest releases with `quorate history NAME`, publish what is missing',
    ].join('\n'),
  );
  return EXIT.done;
}

interface Look {
  readonly own: PeerAnswer;
  readonly silent: readonly { readonly address: string; readonly why: string }[];
  readonly plan: RecoveryPlan;
}

/** What every machine says, once what they say can be relied on. @param unsettled told once, when it cannot yet */
async function look(settings: Settings, unsettled: (why: string) => void): Promise<Look> {
  const until = performance.now() + SETTLES_WITHIN * 1000;
  for (let told = false; ; told = true) {
    const own = await askOwn(settings);
    const { answers, silent } = await askOthers(settings, own);
    const plan = planRecovery({ own, answers, peers: await peersOf(settings) });
    if (!plan.unsettled || performance.now() >= until) return { own, silent, plan };
    if (!told) unsettled(plan.refusal!);
    await delay(1000);
  }
}

/** Where two have the same, either will do. */
function hasMost({ survivors }: RecoveryPlan, instance: string): boolean {
  const [most] = survivors;
  const own = survivors.find((survivor) => survivor.instance === instance);
  return (
    own !== undefined && own.generation === most!.generation && own.epoch === most!.epoch && own.zxid === most!.zxid
  );
}

async function askOwn(settings: Settings): Promise<PeerAnswer> {
  try {
    return await ask(settings, settings.address!);
  } catch (cause) {
    throw new CliError(
      EXIT.failed,
      `this machine's agent does not answer: ${(cause as Error).message}`,
      'start it: it founds again when you have said so',
      { cause },
    );
  }
}

async function ask(settings: Settings, address: string): Promise<PeerAnswer> {
  const trust = TrustFolder.open(join(settings.state, 'trust'));
  const state = await askState(withPort(address, settings.ensemble!.ports.peer), trust, { timeout: ANSWER_MS });
  return { ...state, address };
}

/** All that are known: by the discovery, by the last configuration, by what this machine's own data names. */
async function askOthers(
  settings: Settings,
  own: PeerAnswer,
): Promise<{ answers: PeerAnswer[]; silent: { address: string; why: string }[] }> {
  const named = own.member?.servers.map(({ address }) => address) ?? [];
  const all = new Set([...(await knownAddresses(settings)), ...named]);
  all.delete(settings.address!);
  const answers: PeerAnswer[] = [];
  const silent: { address: string; why: string }[] = [];
  await Promise.all(
    [...all].map(async (address) => {
      try {
        answers.push(await ask(settings, address));
      } catch (error) {
        silent.push({ address, why: (error as AgentError).message });
      }
    }),
  );
  return { answers, silent };
}

/** What the discovery says of them, where it can be asked. */
function peersOf(
  settings: Settings,
): Promise<Awaited<ReturnType<ReturnType<typeof discoveryOf>['peers']>> | undefined> {
  return discoveryOf(settings)
    .peers()
    .catch(() => undefined); // the operator's word counts here, not the discovery's
}

/** @throws CliError when somebody else founds at the same moment */
async function permit(settings: Settings, own: PeerAnswer, generation: number): Promise<void> {
  const { state, ensemble } = settings;
  const arbiter = arbiterOf(ensemble!, state);
  const { record, version } = await arbiter.read();
  const { instance, incarnation, address } = own;
  const next: FoundingRecord = {
    format: FOUNDING_FORMAT,
    cluster: own.cluster,
    generation: Math.max(generation, (record?.generation ?? 0) + 1),
    revision: (record?.revision ?? 0) + 1,
    founder: { instance, incarnation, address },
    state: 'founding',
    members: record?.members ?? {},
  };
  const won = arbiter instanceof StaticArbiter ? await arbiter.permit(next) : await arbiter.claim(next, version);
  if (!won)
    throw new CliError(
      EXIT.conflict,
      'somebody else founds again at the same moment: nothing was done here',
      '`quorate ensemble status` shows what came of it',
    );
}

async function served(settings: Settings, generation: number): Promise<void> {
  const until = performance.now() + SERVES_WITHIN * 1000;
  do {
    const answer = await ask(settings, settings.address!).catch(() => undefined); // busy for a moment
    if (answer && answer.generation >= generation && answer.member?.serving) return;
    await delay(250);
  } while (performance.now() < until);
  throw new CliError(
    EXIT.failed,
    `the member does not serve after ${SERVES_WITHIN} s; the agent goes on with it`,
    '`quorate status` tells why',
  );
}

function describe(
  { survivors, voters, silent, loss, danger, best }: RecoveryPlan,
  unreached: readonly { address: string; why: string }[],
  own: PeerAnswer,
): string {
  const rows = survivors.map(({ instance, role, generation, epoch, zxid }) => [
    `${instance}${instance === own.instance ? ' (this machine)' : ''}`,
    role,
    String(generation),
    String(epoch),
    zxid.replace(/^0+(?=.)/, ''),
    instance === best ? 'has most' : '',
  ]);
  const lines = [table(['instance', 'role', 'generation', 'epoch', 'zxid', ''], rows), ''];
  for (const { id, address } of silent) {
    const why = unreached.find((one) => one.address === address)?.why;
    lines.push(`silent  server ${id} at ${address}, one of ${voters} voters${why ? `: ${why}` : ''}`);
  }
  lines.push(`loss    ${loss}`);
  if (danger) lines.push(`${paint('red', 'danger')}  ${danger}`);
  return lines.join('\n');
}
