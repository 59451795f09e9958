import assert from 'node:assert/strict';
import test from 'node:test';
import { ciJob, originLines } from '../src/ci.ts';
import { authorOf } from '../src/context.ts';

const GITHUB = {
  GITHUB_ACTIONS: 'true',
  GITHUB_ACTOR: 'mia',
  GITHUB_SHA: 'abc',
  GITHUB_RUN_ID: '7',
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'org/repo',
};
const GITLAB = {
  GITLAB_CI: 'true',
  GITLAB_USER_LOGIN: 'leo',
  CI_COMMIT_SHA: 'def',
  CI_COMMIT_TITLE: 'raise the limits',
  CI_PROJECT_URL: 'https://gitlab.example/g/p',
  CI_JOB_URL: 'https://gitlab.example/g/p/-/jobs/9',
};

test('a job of GitHub or GitLab tells who, from which commit and in which run', () => {
  assert.equal(authorOf(undefined, GITHUB), 'mia@github');
  assert.equal(authorOf(undefined, GITLAB), 'leo@gitlab');
  assert.equal(authorOf(undefined, { ...GITHUB, QUORATE_AUTHOR: 'ann' }), 'ann');
  assert.equal(authorOf('bob', GITHUB), 'bob');
  assert.deepEqual(originLines(undefined, ciJob(GITHUB)), [
    'Commit: https://github.com/org/repo/commit/abc',
    'Run: https://github.com/org/repo/actions/runs/7',
  ]);
  assert.deepEqual(originLines('v1.2', ciJob(GITLAB)), ['Commit: v1.2', `Run: ${GITLAB.CI_JOB_URL}`]);
  assert.equal(ciJob(GITLAB).commitUrl, 'https://gitlab.example/g/p/-/commit/def');
  assert.equal(ciJob(GITLAB).title, 'raise the limits');
});

test('elsewhere, and where a variable is missing, nothing is made up', () => {
  assert.deepEqual(ciJob({ GITHUB_ACTOR: 'mia', CI_COMMIT_SHA: 'x' }), {});
  assert.deepEqual(originLines(undefined, ciJob({})), []);
  assert.deepEqual(ciJob({ GITLAB_CI: 'true', CI_COMMIT_SHA: 'def' }), { commit: 'def' });
});
