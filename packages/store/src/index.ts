export { Copying, type CopyOptions, oldestOf } from './archive/copy.ts';
export { AUDIT_KEPT, type AuditRange } from './audit.ts';
export type { Ballot, Candidates, Offer, OfferOptions, Vote } from './candidates.ts';
export { bucketMount } from './directory/mount.ts';
export { NumberedFiles } from './directory/numbered.ts';
export type {
  Asker,
  ConfigMember,
  Ensemble,
  EnsembleConfiguration,
  FollowedMachines,
  Lead,
  MembershipChange,
} from './ensemble.ts';
export { StoreError, type StoreErrorCode } from './errors.ts';
export { Hints } from './hints.ts';
export type { LoneVoter, ReleaseContent } from './lone-vote.ts';
export { type OpenOptions, openStore } from './open.ts';
export { type ManifestToPublish, type PublishOptions, planManifest, publishManifest, rollback } from './publish.ts';
export { mustLatest, mustRelease, readManifest } from './read.ts';
export { readClocks } from './read-clocks.ts';
export { checkNotUnderWay, placeIn, type RolloutWish } from './rollout.ts';
export { heedClock } from './s3/clock.ts';
export { type BucketPlace, bucketPlace } from './s3/place.ts';
export type {
  Backfill,
  BlobSource,
  CallOptions,
  Capabilities,
  Collected,
  Latest,
  Publication,
  PublicationOptions,
  Retention,
  Store,
  StoreChange,
  UploadProgress,
  VersionedHead,
  VersionedTags,
} from './store.ts';
export { addTags, removeTag, replaceAllTags, setTag } from './tags.ts';
export { variablesOf } from './templates.ts';
export { type Judged, type No, VoteError, type VoteNews, type VoteTerms } from './voting.ts';
