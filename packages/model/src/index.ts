export { type AuditEntry, type AuditRecord, decodeAudit, encodeAudit } from './audit.ts';
export { CANDIDATE_FORMAT, decodeCandidate, encodeCandidate, type OfferedRelease } from './candidate.ts';
export {
  CLOCK_DRIFT,
  CLOCK_REST_MS,
  CLOCK_SOON_MS,
  CLOCK_WARN_SECONDS,
  type ClockExchange,
  type ClockOffset,
  type ClockReading,
  type ClockSample,
  clockDueAfter,
  clockToShow,
  learnClock,
  offsetAt,
  surelyOff,
} from './clock.ts';
export { describeFaults } from './codec.ts';
export {
  type BundleDefinition,
  DEFAULT_HEALTH_INTERVAL,
  DEFAULT_HOOK_SECONDS,
  DEFAULT_IGNORE,
  DEFAULT_LINKS,
  DEFAULT_SETTLE_SECONDS,
  definitionOf,
  type FileCheck,
  type Health,
  type Hook,
  type LinkMode,
  type Reload,
  type Syntax,
  settleSeconds,
  type WebCheck,
} from './definition.ts';
export {
  DEPLOYMENT_FORMAT,
  type Deployment,
  type DeploymentPlace,
  type DeploymentStep,
  decodeDeployment,
  decodeDeploymentPlace,
  deploymentOf,
  deploymentRelease,
  planDeployment,
} from './deployment.ts';
export { type Change, diffManifests, sameEntry } from './diff.ts';
export { type BlobRef, blobRef, sha256 } from './digest.ts';
export {
  adoptedAs,
  DEFAULT_DRIFT,
  type DriftPolicy,
  type DriftStatus,
  type DriftStep,
  type DriftView,
  driftStatus,
  type Edit,
  isAdoptable,
  planDrift,
} from './drift.ts';
export { type Admission, admit } from './ensemble/admission.ts';
export {
  type Archived,
  type ArchiveRecord,
  type ArchiveSettings,
  type ArchiveStep,
  adjusted,
  archiveLag,
  decodeArchive,
  isArchived,
  isOpen,
  type LineSeen,
  planArchive,
} from './ensemble/archive.ts';
export {
  type CertificateKind,
  type CertificateSubject,
  distinguishedName,
  isCertificateKind,
  parseSubject,
} from './ensemble/certificate.ts';
export { ENSEMBLE_FORMAT } from './ensemble/format.ts';
export { planFounding } from './ensemble/founding.ts';
export {
  decodeFounding,
  encodeFounding,
  FOUNDING_FORMAT,
  type Founder,
  type FoundingRecord,
} from './ensemble/founding-record.ts';
export type { FoundingStep, FoundingView, PeerAnswer, RecoveryView } from './ensemble/founding-view.ts';
export { type MembershipDecision, type MembershipView, planMembership } from './ensemble/membership.ts';
export { type EnsembleObservation, invitedOf, outdatedRecords, viewOf } from './ensemble/observe.ts';
export {
  decodeGrant,
  decodeJoinRequest,
  decodePeerState,
  decodeRefusal,
  decodeRenewalRequest,
  encodePeerRecord,
  type FoundingPromise,
  type Grant,
  type JoinRequest,
  PEER_FORMAT,
  type PeerServer,
  type PeerState,
  type Refusal,
  type RenewalRequest,
} from './ensemble/peer.ts';
export { type EnsemblePlan, type EnsembleStep, planEnsemble } from './ensemble/plan.ts';
export {
  type ClusterRecord,
  type ClusterSettings,
  DEFAULT_CLUSTER,
  DEFAULT_PORTS,
  decodeCluster,
  decodeFleet,
  decodeMachine,
  decodeMember,
  decodePlan,
  encodeEnsembleRecord,
  encodeFleet,
  type FleetInstance,
  type FleetRecord,
  type FleetSight,
  type MachineMember,
  type MachineRecord,
  type MemberPorts,
  type MemberRecord,
  type PlanRecord,
} from './ensemble/records.ts';
export { planRecovery, type RecoveryPlan, type Survivor } from './ensemble/recovery.ts';
export {
  CERTIFICATE_DAYS,
  type CertificateView,
  freshSpan,
  planRenewal,
  RENEW_BEFORE_DAYS,
  type RenewalPlan,
  renewedSpan,
} from './ensemble/renewal.ts';
export {
  type Candidate,
  DEFAULT_ENSEMBLE,
  type EnsembleSettings,
  type EnsembleView,
  type Invited,
  type Member,
} from './ensemble/view.ts';
export { ModelError, type ModelErrorCode } from './errors.ts';
export { type Facts, type FleetMember, factsOf, fleetOf, type InstanceFacts } from './facts.ts';
export { FLEET_CALM_MS, FLEET_HOLD_MS, type SettledFleet, settledFleet, settleFleet } from './fleet.ts';
export {
  BUNDLE_STATES,
  type BundleState,
  type BundleStatus,
  type DeploymentFault,
  decodeStatus,
  encodeStatus,
  type HealthState,
  type InstanceStatus,
  STATUS_FORMAT,
} from './instance.ts';
export { type LifeCycleHook, type LifeCyclePlan, type LifeCycleView, planLifeCycle } from './life-cycle.ts';
export { checkLimits, LIMITS } from './limits.ts';
export { checkLinks } from './links.ts';
export { type LiveAt, liveAt, type RecordedTime } from './live-at.ts';
export {
  blobsOf,
  type DirectoryEntry,
  type Entry,
  type FileEntry,
  type Manifest,
  type ManifestPage,
  manifestFromPages,
  manifestOf,
  paginate,
  type SymlinkEntry,
} from './manifest.ts';
export { type MergedManifest, mergeManifests, type PathConflict, settleMerge } from './merge.ts';
export { type MergedDefinition, mergeDefinitions } from './merge-definition.ts';
export {
  isHeadNotice,
  type NoticeTopic,
  noticeQueue,
  noticeQueueOf,
  noticeTopic,
  queueArn,
  ringBehind,
} from './notices.ts';
export { isOwnFile, nativeEntries, withOwnFiles } from './own-files.ts';
export {
  checkBundleName,
  checkPath,
  comparePaths,
  isBundleName,
  type LinkTarget,
  liesIn,
  linkTarget,
  parentPath,
} from './path.ts';
export { processorTime } from './processor-time.ts';
export { HIDDEN, redact } from './redact.ts';
export {
  ADDS_MOST,
  type DraftedRelease,
  decodeHead,
  decodeRelease,
  digestOf,
  draftRelease,
  encodeHead,
  encodeRelease,
  HEAD_FORMAT,
  type Head,
  headOf,
  needsMessage,
  RELEASE_FORMAT,
  type Release,
  type ReleaseDraft,
  type ReleaseVote,
  type RolloutStory,
  sameHead,
  storyOf,
} from './release.ts';
export { type AlarmSeen, judgeAlarms } from './rollout/alarms.ts';
export { describeStep, draftRollout, type RolloutDraft } from './rollout/open.ts';
export { type InstancePlace, isLetIn, placeOf, releaseFor, standingRelease } from './rollout/place.ts';
export { type GateAnswer, planRollout, type RolloutPlan, type RolloutView } from './rollout/plan.ts';
export {
  isUnderWay,
  type Rollout,
  type RolloutEvent,
  type RolloutState,
  type RolloutStep,
  type Signature,
  told,
} from './rollout/rollout.ts';
export { type GateSettings, type RolloutSettings, STRATEGIES, type Strategy } from './rollout/settings.ts';
export { STEERINGS, type Steering, steered } from './rollout/steer.ts';
export { outcomeOf, type RolloutInstance, type RolloutOutcome, RolloutWatch } from './rollout/watch.ts';
export {
  decodeSecrets,
  encodeSecrets,
  isRecipient,
  type OutsideSecret,
  SECRET_BYTES,
  SECRETS_FILE,
  SECRETS_FORMAT,
  type SecretsRecord,
  secretAt,
  secretPath,
} from './secrets.ts';
export {
  isAsSigned,
  parsePublicKey,
  publicKeyText,
  type ReleaseName,
  type ReleaseSignature,
  signRelease,
} from './signature.ts';
export { decodeTaken, encodeTaken, judgeSigned, type TakenRelease, type TrustedKey } from './signed-release.ts';

export {
  checkTagName,
  decodeTags,
  encodeTags,
  protectedFrom,
  TAGS_FORMAT,
  TAGS_MOST,
  type Tag,
  withTag,
} from './tags.ts';
export { TemplateError } from './template-error.ts';
export { markTemplates, matchesAny } from './template-files.ts';
export {
  type ScopedVariables,
  type Variables,
  type VariablesFile,
  type VariableValue,
  variablesFor,
} from './variables.ts';
export {
  boundVerdict,
  decodeVerdict,
  describeVerdict,
  encodeVerdict,
  VERDICT_BY,
  VERDICT_BYTES,
  VERDICT_FORMAT,
  type Verdict,
  VerdictSchema,
} from './verdict.ts';
export { planVote, tallyVotes, type VoteAnswer, type VoteStep, type VoteTally, type VoteView } from './vote.ts';
