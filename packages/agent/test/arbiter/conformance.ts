import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FOUNDING_FORMAT, type FoundingRecord } from '@quorate/model';
import type { Arbiter } from '../../src/index.ts';

/** What the suite needs of an adapter that machines share. */
export interface ArbiterPlace extends AsyncDisposable {
  /** one more arbiter on the same place, as another machine opens it */
  open(): Arbiter;
  /** puts other bytes in the place of the record, behind the arbiter's back */
  rewrite(bytes: string): Promise<void>;
  /** takes the place away, and gives it back when disposed */
  cutOff(): Promise<AsyncDisposable>;
}

export function record(change: Partial<FoundingRecord> = {}): FoundingRecord {
  return {
    format: FOUNDING_FORMAT,
    cluster: 'c',
    generation: 1,
    revision: 1,
    founder: { instance: 'web-1', incarnation: 'one', address: '10.0.0.1' },
    state: 'founding',
    members: {},
    ...change,
  };
}

/** What every shared arbiter promises. */
export function arbiterConformance(
  name: string,
  make: () => Promise<ArbiterPlace>,
  skip: string | false = false,
): void {
  const promise = (what: string, work: (place: ArbiterPlace) => Promise<void>): void => {
    test(what, { skip, timeout: 120_000 }, async () => {
      await using place = await make();
      await work(place);
    });
  };
  describe(name, { concurrency: 1 }, () => {
    promise('there is no record until one is claimed, and then everybody reads it', async (place) => {
      const [one, two] = [place.open(), place.open()];
      const before = await one.read();
      assert.equal(before.record, undefined);
      assert.equal(await one.claim(record(), before.version), true);
      assert.deepEqual((await two.read()).record, record());
    });

    promise('of many who claim from the same version exactly one wins, and its record stands', async (place) => {
      let ruling = await place.open().read();
      for (let round = 1; round <= 10; round++) {
        const claims = Array.from({ length: 8 }, (_, at) =>
          record({ revision: round, founder: { instance: `web-${at}`, incarnation: `${at}`, address: '' } }),
        );
        const won = await Promise.all(claims.map((claim) => place.open().claim(claim, ruling.version)));
        assert.equal(won.filter(Boolean).length, 1, `round ${round}`);
        ruling = await place.open().read();
        assert.deepEqual(ruling.record, claims[won.indexOf(true)]);
      }
    });

    promise('a claim from an old version does nothing, also where the record is what it was then', async (place) => {
      const arbiter = place.open();
      const first = await arbiter.read();
      assert.equal(await arbiter.claim(record(), first.version), true);
      const old = await arbiter.read();
      assert.equal(await arbiter.claim(record({ revision: 2 }), old.version), true);
      const { version } = await arbiter.read();
      assert.equal(await arbiter.claim(record({ revision: 3, state: 'founded' }), version), true);
      const now = await arbiter.read();
      for (const stale of [first.version, old.version, version])
        assert.equal(await place.open().claim(record({ revision: 4, generation: 9 }), stale), false);
      assert.deepEqual(await arbiter.read(), now);
    });

    promise('a record that cannot be read is told, never taken for none', async (place) => {
      const arbiter = place.open();
      assert.equal(await arbiter.claim(record(), (await arbiter.read()).version), true);
      for (const bytes of ['', 'nonsense', '{"format":1}', '{"format":99}']) {
        await place.rewrite(bytes);
        await assert.rejects(arbiter.read(), { code: 'ARBITER_UNREACHABLE' }, JSON.stringify(bytes));
      }
      await assert.rejects(arbiter.read(), /upgrade Quorate/);
    });

    promise('an arbiter that is out of reach is told, and is as before when it is back', async (place) => {
      const arbiter = place.open();
      const { version } = await arbiter.read();
      assert.equal(await arbiter.claim(record(), version), true);
      const now = await arbiter.read();
      {
        await using _away = await place.cutOff();
        await assert.rejects(arbiter.read(), { code: 'ARBITER_UNREACHABLE' });
        await assert.rejects(arbiter.claim(record({ revision: 2 }), now.version), { code: 'ARBITER_UNREACHABLE' });
      }
      assert.deepEqual(await arbiter.read(), now);
      assert.equal(await arbiter.claim(record({ revision: 2 }), now.version), true);
    });

    promise('who gives up is not kept waiting', async (place) => {
      const signal = AbortSignal.abort(new Error('given up'));
      await assert.rejects(place.open().read(signal), /given up/);
      await assert.rejects(place.open().claim(record(), '0', signal), /given up/);
    });
  });
}
