import { execFile } from 'node:child_process';
import type { GateAnswer, GateSettings } from '@quorate/model';
import { askWeb } from '../health/index.ts';
import type { AlarmGate } from './alarm-gate.ts';

const DEFAULT_SECONDS = 10;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Characters of a command's output that are told. */
const SHOWN = 200;

/** Asks what tells from outside whether a rollout is to go on. Never throws: what cannot be asked has said nothing. */
export async function askGate(
  gate: GateSettings,
  bundle: string,
  release: number,
  alarms: AlarmGate,
): Promise<GateAnswer> {
  const { url, status, command, alarm, timeout = DEFAULT_SECONDS } = gate;
  if (alarm) return alarms.ask(alarm, timeout);
  if (url !== undefined) {
    const answer = await askWeb({ url, timeout, ...(status === undefined ? {} : { status }) });
    return {
      state: answer.state === 'as-wanted' ? 'open' : answer.state === 'silent' ? 'unknown' : 'shut',
      detail: answer.detail,
    };
  }
  return command === undefined ? { state: 'open', detail: '' } : runGate(command, timeout, bundle, release);
}

/** As hooks are run: by the shell, in a clean environment. */
function runGate(command: string, timeout: number, bundle: string, release: number): Promise<GateAnswer> {
  const env = { PATH, HOME: '/root', LANG: 'C.UTF-8', QUORATE_BUNDLE: bundle, QUORATE_RELEASE: String(release) };
  const options = { cwd: '/', env, timeout: timeout * 1000, killSignal: 'SIGKILL', maxBuffer: 1024 * 1024 } as const;
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', command], options, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`.trim().slice(-SHOWN).replace(/\s+/g, ' ');
      const told = said ? `: ${said}` : '';
      if (!error) resolve({ state: 'open', detail: said });
      else if (typeof error.code === 'number') resolve({ state: 'shut', detail: `exit code ${error.code}${told}` });
      else resolve({ state: 'unknown', detail: error.killed ? `no answer within ${timeout} s${told}` : error.message });
    });
  });
}
