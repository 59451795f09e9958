import { after, before } from 'node:test';
import { conformance } from '../conformance.ts';
import { conformanceAtScale } from '../conformance-at-scale.ts';
import { S3Place } from '../s3/place.ts';
import { S3Server, reasonToSkip as skip } from '../s3/server.ts';

let server: S3Server;
before(async () => {
  if (!skip) server = await S3Server.start();
});
after(() => server?.[Symbol.asyncDispose]());

const make = (): Promise<S3Place> => S3Place.make(server);
conformance('a bucket', { make, skip });
if (process.env.QUORATE_SCALE) conformanceAtScale('a bucket', { make, skip });
