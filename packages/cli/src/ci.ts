/** What a CI system says of the job that a command runs in. */
export interface CiJob {
  readonly author?: string;
  /** the commit's title, where it is told */
  readonly title?: string;
  readonly commit?: string;
  /** where it can be looked at */
  readonly commitUrl?: string;
  readonly runUrl?: string;
}

/** GitHub Actions and GitLab CI by their own variables; elsewhere nothing. */
export function ciJob(env: NodeJS.ProcessEnv = process.env): CiJob {
  const known = (job: { [K in keyof CiJob]: string | undefined }): CiJob =>
    Object.fromEntries(Object.entries(job).filter(([, value]) => value));
  if (env.GITHUB_ACTIONS === 'true') {
    const { GITHUB_ACTOR: actor, GITHUB_SHA: commit, GITHUB_RUN_ID: run } = env;
    const project = `${env.GITHUB_SERVER_URL ?? 'https://github.com'}/${env.GITHUB_REPOSITORY}`;
    return known({
      author: actor && `${actor}@github`,
      commit,
      commitUrl: commit && `${project}/commit/${commit}`,
      runUrl: run && `${project}/actions/runs/${run}`,
    });
  }
  if (env.GITLAB_CI === 'true') {
    const { GITLAB_USER_LOGIN: user, CI_COMMIT_SHA: commit, CI_PROJECT_URL: project } = env;
    return known({
      author: user && `${user}@gitlab`,
      title: env.CI_COMMIT_TITLE,
      commit,
      commitUrl: commit && project && `${project}/-/commit/${commit}`,
      runUrl: env.CI_JOB_URL,
    });
  }
  return {};
}

/** Lines below a message: where the release comes from. @param commit what was said on the command line */
export function originLines(commit: string | undefined, job: CiJob): string[] {
  const named = commit ?? job.commitUrl ?? job.commit;
  return [...(named ? [`Commit: ${named}`] : []), ...(job.runUrl ? [`Run: ${job.runUrl}`] : [])];
}
