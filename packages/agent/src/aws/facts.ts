import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceQuick } from '../disk/durable.ts';
import { AgentError } from '../errors.ts';
import { InstanceMetadata } from './imds.ts';

/** What does not change as long as an instance lives. */
export interface InstanceFacts {
  /** `i-0123456789abcdef0` */
  readonly instance: string;
  /** its first private IPv4 address, or its IPv6 address where it has no other */
  readonly address: string;
  /** `eu-central-1a` */
  readonly zone: string;
  readonly region: string;
}

const NoteSchema = v.object({
  instance: v.string(),
  address: v.string(),
  zone: v.string(),
  region: v.string(),
  machine: v.string(),
});

/**
 * Asks the instance metadata service who this machine is. Where that does not answer, as at a boot whose network is late, what was noted
 * at an earlier run counts, if the hardware is still the same.
 * @param state the agent's state folder
 * @throws AgentError NO_METADATA
 */
export async function instanceFacts(state: string, metadata = new InstanceMetadata()): Promise<InstanceFacts> {
  try {
    return await askFacts(metadata);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const noted = await readNote(state);
    if (noted) return noted;
    throw error;
  }
}

async function askFacts(metadata: InstanceMetadata): Promise<InstanceFacts> {
  const instance = await metadata.need('instance-id');
  const address = (await metadata.get('local-ipv4')) || (await metadata.need('ipv6'));
  const zone = await metadata.need('placement/availability-zone');
  const region = await metadata.need('placement/region');
  return { instance, address, zone, region };
}

const file = (state: string): string => join(state, 'aws', 'instance.json');

/** Keeps them for a start without a network. */
export async function noteFacts(state: string, facts: InstanceFacts): Promise<void> {
  await mkdir(join(state, 'aws'), { recursive: true });
  replaceQuick(file(state), `${JSON.stringify({ ...facts, machine: await hardware() })}\n`, 0o644);
}

/** Undefined also where it was noted on another machine: an image may hold the state folder of the one that it was made of. */
async function readNote(state: string): Promise<InstanceFacts | undefined> {
  const text = await readFile(file(state), 'utf8').catch(() => undefined); // not there, or not readable: nothing is noted
  if (text === undefined) return undefined;
  const note = v.safeParse(v.pipe(v.string(), v.parseJson(), NoteSchema), text);
  if (!note.success) return undefined; // torn by a crash
  const { machine, ...facts } = note.output;
  return machine === (await hardware()) ? facts : undefined;
}

/** The instance id on Nitro, a UUID of each instance's own on Xen; readable by everybody. */
const HARDWARE = ['/sys/devices/virtual/dmi/id/board_asset_tag', '/sys/hypervisor/uuid'];

async function hardware(): Promise<string> {
  const marks = HARDWARE.map((path) => readFile(path, 'utf8').catch(() => '')); // machines have one or the other
  return (await Promise.all(marks)).map((mark) => mark.trim()).join(' ');
}
