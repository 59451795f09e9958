import assert from 'node:assert/strict';
import test from 'node:test';
import { everything } from '../../../store/test/backup/place.ts';
import { awsEnvironment, reasonToSkip as noBucket, S3Server } from '../../../store/test/s3/server.ts';
import { reasonToSkip as noServers, Ensemble as Servers } from '../../../zookeeper/test/server.ts';
import { archiveState } from '../../src/index.ts';
import { until } from '../real/closed-ensemble.ts';
import { Place, refusal } from './place.ts';

const BUNDLES = ['app', 'web'];

test('an archive in a bucket: S3 down stops no publish, and an ensemble that has lost everything gets it back from there', {
  skip: noServers || noBucket,
}, async () => {
  await using bucket = await S3Server.start();
  await bucket.makeBucket('fleet');
  Object.assign(process.env, awsEnvironment(bucket.url));
  await using servers = await Servers.start();
  const where = { servers: servers.servers, archive: 's3://fleet/archive' };
  await using place = await Place.make(where);
  await place.found(1);
  place.lead();
  await place.isLevel();
  for (const bundle of BUNDLES) for (const text of ['one', 'two']) await place.publish(bundle, text);
  await place.isLevel();

  await bucket.stop();
  for (const bundle of BUNDLES) await place.publish(bundle, 'three');
  const seen = await until('the trouble is told', async () => {
    const state = await archiveState(place.store);
    return state?.trouble === undefined ? false : state;
  });
  assert.equal(seen.behind, 2);
  await bucket.startAgain();
  await place.isLevel();
  assert.deepEqual(await everything(place.archive), await everything(place.store));
  await place.stopLeading();

  await using anew = await Place.make(where);
  await anew.found(2);
  await assert.rejects(anew.publish('web', 'too early'), refusal('NOT_OPEN', /comes first/));
  anew.lead();
  await anew.isLevel();
  assert.deepEqual(await everything(anew.store), await everything(place.store));
  const { release } = await anew.publish('web', 'four');
  assert.equal(release.number, 4);
  await anew.isLevel();
  assert.equal((await anew.archive.latest('web'))?.release.id, release.id);
});
