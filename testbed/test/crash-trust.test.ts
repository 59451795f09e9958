import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Credentials, makeAuthority, makeKey, TrustFolder } from '@quorate/agent';
import { crashAfter, tracingUnavailable } from '../src/index.ts';

const STEP = fileURLToPath(new URL('./crash-trust-step.ts', import.meta.url));
const skip = tracingUnavailable() ?? false;

describe('a trust folder, killed at every call', { skip, timeout: 300_000 }, () => {
  let folder: string;
  let first: Credentials;
  let second: Credentials;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'quorate-crash-'));
    const authority = await makeAuthority('c-1');
    const make = async (): Promise<Credentials> => {
      const key = makeKey();
      const certificate = await authority.issue({ kind: 'instance', name: 'a', request: { key } });
      return { authority: authority.certificate, authorityKey: authority.key, certificate, key };
    };
    [first, second] = [await make(), await make()];
    writeFileSync(join(folder, 'first.json'), JSON.stringify(first));
    writeFileSync(join(folder, 'second.json'), JSON.stringify(second));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const state = (): string => join(folder, 'state');
  const trust = (): string => join(state(), 'trust');
  const fresh = (): void => {
    rmSync(state(), { recursive: true, force: true });
    mkdirSync(state());
  };
  /** Kills the step at its n-th call on the state folder; false when it came to its end before. */
  const kill = async (count: number, step: string): Promise<boolean> => {
    const { killed, code, output } = await crashAfter(count, [process.execPath, STEP, folder, step], {
      within: [state()],
      fromHere: true,
    });
    if (!killed) assert.equal(code, 0, output);
    return killed;
  };

  test('is there whole or not at all, and can be made again', async () => {
    let rounds = 0;
    for (let killed = true; killed; rounds++) {
      fresh();
      killed = await kill(rounds, 'create');
      if (existsSync(trust())) assert.deepEqual(TrustFolder.open(trust()).credentials(), first);
      else assert.deepEqual(TrustFolder.create(trust(), first).credentials(), first);
    }
    assert.ok(rounds > 10, `${rounds} calls were seen`);
  });

  test('holds what fits together while it is replaced: the old or the new, and the apart files follow', async () => {
    const seen = new Set<string>();
    let rounds = 0;
    for (let killed = true; killed; rounds++) {
      fresh();
      TrustFolder.create(trust(), first);
      killed = await kill(rounds, 'replace');
      const opened = TrustFolder.open(trust());
      const { certificate, key } = opened.credentials();
      assert.ok([first, second].some((each) => each.certificate === certificate && each.key === key));
      assert.equal(readFileSync(opened.files.key, 'utf8'), key);
      assert.equal(readFileSync(opened.files.cert, 'utf8'), certificate);
      seen.add(certificate);
      opened.replace(second);
      assert.deepEqual(TrustFolder.open(trust()).credentials(), second);
    }
    assert.equal(seen.size, 2);
  });
});
