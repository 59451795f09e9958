import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { steered, type Tag } from '@quorate/model';
import { type Latest, openStore, removeTag, type Store, StoreError, setTag } from '@quorate/store';
import { Place as Backups, backedUp, everything, publishLine, restored } from '../../../store/test/backup/place.ts';
import { publishFiles } from '../../../store/test/publishing.ts';
import { reasonToSkip, Ensemble as Servers } from '../../../zookeeper/test/server.ts';
import { keepArchive } from '../../src/archive/keeper.ts';
import { archiveState } from '../../src/index.ts';
import { until } from '../real/closed-ensemble.ts';
import { Place, refusal } from './place.ts';

const skip = reasonToSkip ?? false;
let servers: Servers;
before(async () => {
  if (!skip) servers = await Servers.start();
});
after(async () => {
  if (!skip) await servers[Symbol.asyncDispose]();
});

test('what is published lies in the archive a moment later; while that is away publishing goes on, and the lag is known', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers });
  await place.found(1);
  place.lead();
  await place.isLevel();
  for (const text of ['one', 'two', 'three']) await place.publish('web', text);
  await place.publish('app', 'one');
  await place.isLevel();
  assert.deepEqual(await everything(place.archive), await everything(place.store));

  await place.mount(false);
  for (const text of ['four', 'five']) await place.publish('web', text);
  const trouble = await until('the trouble is told', async () => {
    const state = await archiveState(place.store);
    return state?.trouble !== undefined && state.behind === 2 && state;
  });
  assert.match(trouble.trouble!, /no such folder: mount the share/);
  assert.ok(trouble.since);
  await place.mount(true);
  await place.isLevel();
  assert.deepEqual(await everything(place.archive), await everything(place.store));
  assert.ok(place.said.some((line) => /has every release again/.test(line)));
});

test('a release that was taken back is taken back in the archive too, and in an ensemble that is filled from it', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers });
  await place.found(1);
  place.lead();
  await place.isLevel();
  const one = await place.publish('web', 'one');
  const rolled = { strategy: 'linear' } as const;
  const two = await publishFiles(place.store, one, { 'a.conf': 'two' }, { rollout: rolled });
  await until('the archive has the rollout', async () => {
    return (await place.archive.latest('web'))?.head.rollout?.state === 'running';
  });
  const back = steered(two.head.rollout, 'abort', 'no good', { by: 'test', time: '2026-01-01T00:00:00Z' });
  await place.store.steer('web', two.head, back);
  await until('it is taken back', async () => (await place.archive.latest('web'))?.head.rollout?.state === 'back');
  await place.stopLeading();
  await using anew = await Place.make({ servers: servers.servers, archive: place.archive.url });
  await anew.found(2);
  anew.lead();
  await anew.isLevel();
  assert.deepEqual((await anew.store.latest('web'))?.head.rollout, back);
});

test('tags are archived, those that go too, and an ensemble that is filled from there protects what they protect', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers });
  await place.found(1);
  place.lead();
  await place.isLevel();
  for (const text of ['one', 'two', 'three']) await place.publish('web', text);
  const tag = (name: string): Tag => ({ name, release: 2, protected: true, author: 'mia', time: '' });
  for (const name of ['stable', 'old']) await setTag(place.store, 'web', tag(name));
  const archived = (...names: string[]): Promise<unknown> =>
    until(`the archive has ${names}`, async () => {
      const { tags } = await place.archive.tags('web');
      return JSON.stringify(tags) === JSON.stringify(names.map(tag));
    });
  await archived('old', 'stable');
  await removeTag(place.store, 'web', 'old');
  await archived('stable');
  await place.stopLeading();
  await using anew = await Place.make({ servers: servers.servers, archive: place.archive.url });
  await anew.found(2);
  anew.lead();
  await anew.isLevel();
  assert.deepEqual((await anew.store.tags('web')).tags, [tag('stable')]);
  await anew.store.collect({ keep: 1 });
  assert.deepEqual(await anew.store.releases('web'), [2, 3]);
});

test('a history that a restore brings in below the newest release is archived too', { skip }, async () => {
  await using place = await Place.make({ servers: servers.servers });
  await using backups = await Backups.make();
  await using origin = await backups.store('origin');
  await publishLine(origin, 'web', 5, (number) => ({ 'a.conf': `version ${number}` }));
  await backedUp(origin, backups.path('b.tar'));
  await place.found(1);
  place.lead();
  await place.isLevel();
  assert.deepEqual(await restored(place.store, backups.path('b.tar')), ['web new']);
  const all = JSON.stringify(await everything(origin));
  await until('the archive has all of it', async () => JSON.stringify(await everything(place.archive)) === all);
});

test('an archive that hangs is told of, hinders no publisher and no other leader, and gets everything later', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers });
  await place.found(1);
  place.lead();
  await place.isLevel();
  await place.stopLeading();
  const ends = new AbortController();
  const hung = keepArchive(
    {
      store: place.store,
      ensemble: place.store.ensemble!,
      instance: 'web-2',
      log: (line) => place.said.push(line),
      open: () => new Promise<never>(() => undefined),
      silentMs: 100,
    },
    ends.signal,
  );
  await place.publish('web', 'one');
  await until('it is told', async () => /has not answered/.test((await archiveState(place.store))?.trouble ?? ''));
  await place.publish('web', 'two');
  ends.abort(); // another machine leads; the first one hangs on
  place.lead();
  await place.isLevel();
  assert.equal(await Promise.race([hung.then(() => 'ended'), 'hangs']), 'hangs');
  assert.deepEqual(await everything(place.archive), await everything(place.store));
});

test('with durability archive a publish is acknowledged when the archive has it; else the publisher is told where the release stands', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers, durability: 'archive' });
  await place.found(1);
  place.lead();
  await place.isLevel();
  for (const text of ['one', 'two']) {
    const { release } = await place.publish('web', text);
    assert.equal((await place.archive.latest('web'))?.release.id, release.id);
  }

  // whoever leads would find the folder gone by itself, sooner or later than a publisher comes
  await place.stopLeading();
  await place.mount(false);
  const hasty = await place.publisher(200);
  const words = /release 3 of web stands in the ensemble, and instances apply it, but it is not acknowledged/;
  await assert.rejects(place.publish('web', 'three', hasty), refusal('NOT_ARCHIVED', words));
  const { release } = (await place.store.latest('web'))!;
  assert.equal(release.number, 3);
  place.lead();
  await until('the trouble is told', async () => (await archiveState(place.store))?.trouble);
  await assert.rejects(place.publish('web', 'four'), refusal('NOT_ARCHIVED', /nothing was published/));
  assert.equal((await place.store.latest('web'))?.release.number, 3);

  await place.mount(true);
  await place.store.ensemble!.archived(release);
  assert.equal((await place.archive.latest('web'))?.release.id, release.id);
  await place.isLevel();
  await place.publish('web', 'four');
  assert.deepEqual(await everything(place.archive), await everything(place.store));
});

test('an ensemble that is founded empty lets nobody publish before it has all that the archive has, whoever leads and however often that ends', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers });
  const publish = async (text: string): Promise<Latest> =>
    publishFiles(place.archive, await place.archive.latest('web'), { 'a.conf': text }, { bundle: 'web' });
  for (let at = 1; at <= 5; at++) await publish(`version ${at}`);
  await place.found(2);
  await assert.rejects(place.publish('web', 'too early'), refusal('NOT_OPEN', /nothing was published.*comes first/));
  assert.deepEqual(await place.store.bundles(), []);

  await place.mount(false);
  place.lead();
  await until('the trouble is told', async () => (await archiveState(place.store))?.trouble);
  await assert.rejects(place.publish('web', 'too early'), refusal('NOT_OPEN', /not possible yet: .*no such folder/));
  await place.stopLeading();
  await place.mount(true);

  // leaders that end at each of their calls of the archive in turn
  for (let calls = 0; !(await archiveState(place.store))?.open; calls++) {
    await assert.rejects(place.publish('web', 'too early'), refusal('NOT_OPEN', /nothing was published/));
    const broken = Promise.withResolvers<void>();
    place.lead(async () => {
      const archive = await openStore(place.archive.url);
      return brokenAfter(archive, calls, broken.resolve);
    });
    await Promise.race([broken.promise, until('it is open', async () => (await archiveState(place.store))?.open)]);
    await place.stopLeading();
  }
  assert.deepEqual(await everything(place.store), await everything(place.archive));
  assert.equal((await place.publish('web', 'next')).release.number, 6);
  place.lead();
  await place.isLevel();
  assert.deepEqual(await everything(place.archive), await everything(place.store));
});

test('a survivor that lacks the newest releases gets them back before anybody publishes; what it has beyond is archived', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers });
  await place.found(1);
  place.lead();
  await place.isLevel();
  await place.publish('web', 'one');
  await place.publish('app', 'one');
  await place.isLevel();
  await place.stopLeading();
  // the archive had another release, which this ensemble has lost; and one was never archived
  const lost = await publishFiles(place.archive, await place.archive.latest('web'), { 'a.conf': 'lost' });
  const only = await place.publish('app', 'two');
  await place.found(2);
  await assert.rejects(place.publish('web', 'another two'), refusal('NOT_OPEN', /nothing was published/));
  place.lead();
  await place.isLevel();
  assert.equal((await place.store.latest('web'))?.release.id, lost.release.id);
  assert.equal((await place.archive.latest('app'))?.release.id, only.release.id);
  assert.deepEqual(await everything(place.archive), await everything(place.store));
});

test('where ensemble and archive have parted nothing is overwritten, publishers wait, and the operator decides', {
  skip,
}, async () => {
  await using place = await Place.make({ servers: servers.servers });
  await place.found(1);
  place.lead();
  await place.isLevel();
  await place.publish('web', 'one');
  await place.isLevel();
  await place.stopLeading();
  const theirs = await publishFiles(place.archive, await place.archive.latest('web'), { 'a.conf': 'theirs' });
  const ours = await place.publish('web', 'ours');
  await place.found(2);
  place.lead();
  const state = await until('the fork is told', async () => {
    const seen = await archiveState(place.store);
    return seen?.faults && seen;
  });
  assert.deepEqual(state.faults, [{ bundle: 'web', reason: 'release 2 is another one in the archive' }]);
  await assert.rejects(place.publish('web', 'three'), refusal('NOT_OPEN', /web: release 2 is another one/));
  // another place for the archive, and the old one is left as it is
  const to = `dir:${join(place.folder, 'archive-2')}`;
  await mkdir(join(place.folder, 'archive-2'));
  await place.store.ensemble!.adjust({ archive: { to, durability: 'archive' } });
  await place.isLevel();
  await place.publish('web', 'three');
  assert.equal((await place.archive.latest('web'))?.release.id, theirs.release.id);
  await using second = await openStore(to);
  assert.deepEqual(await everything(second), await everything(place.store));
  assert.equal((await second.release('web', 2))?.id, ours.release.id);
});

/** A store that is lost after so many calls, for good. */
function brokenAfter(store: Store, calls: number, told: () => void): Store {
  let left = calls;
  return new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function' || name === 'close')
        return typeof value === 'function' ? value.bind(target) : value;
      return (...args: unknown[]) => {
        if (left-- > 0) return value.apply(target, args);
        told();
        return Promise.reject(new StoreError('UNREACHABLE', 'the archive is lost'));
      };
    },
  });
}
