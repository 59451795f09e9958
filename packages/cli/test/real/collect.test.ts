import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { openStore } from '@quorate/store';
import { publishLine } from '../../../store/test/backup/place.ts';
import { Place, type Result } from '../place.ts';
import { Terminal } from '../terminal.ts';

describe('collect', () => {
  let place: Place;
  const collect = (...args: string[]): Promise<Result> => place.quorate(['collect', ...args]);
  const releases = async (bundle: string): Promise<number[]> => {
    await using store = await openStore(`dir:${place.path('store')}`);
    return store.releases(bundle);
  };
  before(async () => {
    place = new Place();
    await using store = await openStore(`dir:${place.path('store')}`);
    await publishLine(store, 'web', 6, (number) => ({ a: `version ${number}` }));
    await publishLine(store, 'mail', 2, (number) => ({ relay: `${number}` }));
  });
  after(() => place[Symbol.dispose]());

  test('how many stay must be said, at least one', async () => {
    for (const args of [[], ['--keep', '0'], ['--keep', 'few']])
      assert.equal((await collect(...args, '--yes')).code, 2);
    assert.equal((await releases('web')).length, 6);
  });

  test('it shows what would go and asks; without a terminal only --yes is an answer', async () => {
    const { code, stdout, stderr } = await collect('--keep', '4');
    assert.equal(code, 2, stderr);
    assert.match(stdout, /^mail {4}1–2 {7}–\nweb {5}1–6 {7}1–2$/m);
    await using terminal = Terminal.quorate(place, ['--store', 'dir:store', 'collect', '--keep', '4']);
    await terminal.shows(/\[y\/N\]/);
    terminal.press('n\n');
    assert.equal(await terminal.ended(), 1);
    assert.equal((await releases('web')).length, 6);
  });

  test('the newest stay, whole, and what is gone is counted', async () => {
    const { code, stdout, stderr } = await collect('--keep', '4', '--yes', '--json');
    assert.equal(code, 0, stderr);
    const { releases: gone, blobs } = JSON.parse(stdout);
    assert.deepEqual([gone, blobs], [2, 4]);
    assert.deepEqual(await releases('web'), [3, 4, 5, 6]);
    assert.equal((await place.quorate(['show', 'web', '3:a'])).stdout, 'version 3');
    const again = await collect('--keep', '4');
    assert.equal(again.code, 0, 'nothing to ask where nothing goes');
    assert.match(again.stdout, /✓ 0 releases and 0 contents \(0 bytes\) are gone/);
  });
});
