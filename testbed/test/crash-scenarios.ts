import type { LinkMode } from '@quorate/model';
import { type Files, SECRET } from './crash-folder.ts';
import type { Step } from './crash-step.ts';

const OLD: Files = { 'app.conf': 'old', 'conf.d/a.conf': 'old a' };
const ONE: Files = { 'app.conf': 'one', 'conf.d/a.conf': 'one a', 'gone.d/g.conf': 'one g' };
const CHANGED: Files = { ...ONE, 'app.conf': 'changed', 'conf.d/a.conf': 'changed a' };
const TWO: Files = { 'app.conf': 'two', 'conf.d/a.conf': 'two a', 'new.d/n.conf': 'two n' };
const INVALID: Files = { ...TWO, 'app.conf': 'invalid' };
const BAD: Files = { ...TWO, 'app.conf': 'bad' };
const SICK: Files = { ...TWO, 'app.conf': 'sick' };
const EDITED: Files = { ...ONE, 'app.conf': 'edited' };
const LIST: Files = {
  'app.conf': 'list {% for i in fleet %}{{ i.id }} {% endfor %}{{ secret.db }}',
  'conf.d/a.conf': 'list a',
};
const listOf = (names: string): Files => ({ ...LIST, 'app.conf': `list ${names} ${SECRET}` });
const NEXT: Readonly<Record<LinkMode, LinkMode>> = { directory: 'files', files: 'copy', copy: 'directory' };

/** A step of an agent, and what may be seen while it is done. */
export interface Scenario {
  readonly name: string;
  /** what is native before Quorate */
  readonly native: Files;
  /** applied before the step, oldest first */
  readonly applied: readonly Files[];
  /** published then */
  readonly published?: Files;
  readonly link?: LinkMode;
  readonly step: Step;
  /** what native paths may resolve to, the first before the step and the last after it */
  readonly sees: readonly Files[];
  readonly state?: 'applied' | 'rolled-back' | 'refused' | 'offered';
  /** every release has a validate command, a health command, or a template; see `Ways` */
  readonly validated?: boolean;
  readonly watched?: boolean;
  /** who is there at first, and then: templates are rendered by it */
  readonly fleet?: readonly [readonly string[], readonly string[]];
  readonly drift?: 'adopt';
  readonly settle?: number;
  /** what somebody wrote in the place of `app.conf` before the step, and where it is in the end */
  readonly edit?: string;
  readonly kept?: 'aside' | 'released' | 'conflict';
  /** release of the last reload; undefined when none needs to have run */
  readonly reloaded?: number;
}

/** With `link: files` an edit stands in the place of a link, which comes back before the flip: what is live is there whole for that instant. */
const linkedAgain = (link: LinkMode): Files[] => (link === 'files' ? [ONE] : []);

export const scenarios = (link: LinkMode): Scenario[] => [
  {
    name: 'a first release over native files',
    native: OLD,
    applied: [],
    published: ONE,
    step: 'apply',
    sees: [OLD, ONE],
    reloaded: 1,
  },
  {
    name: 'a first release where nothing was',
    native: {},
    applied: [],
    published: ONE,
    step: 'apply',
    sees: [{}, ONE],
    reloaded: 1,
  },
  {
    name: 'an edit that is put back',
    native: OLD,
    applied: [ONE],
    edit: 'edited',
    step: 'restore',
    kept: 'aside',
    sees: [EDITED, ONE],
    reloaded: 1,
  },
  {
    name: 'an edit that becomes a release',
    native: OLD,
    applied: [ONE],
    drift: 'adopt',
    edit: 'edited',
    kept: 'released',
    step: 'adopt',
    sees: [EDITED, ...linkedAgain(link), EDITED],
    reloaded: 2,
  },
  {
    name: 'an edit that a release has come before',
    native: OLD,
    applied: [ONE],
    drift: 'adopt',
    edit: 'edited',
    kept: 'conflict',
    published: CHANGED,
    step: 'adopt',
    sees: [EDITED, ...linkedAgain(link), CHANGED],
    reloaded: 2,
  },
  {
    name: 'an update of contents',
    native: OLD,
    applied: [ONE],
    published: CHANGED,
    step: 'apply',
    sees: [ONE, CHANGED],
    reloaded: 2,
  },
  {
    name: 'an update that adds and removes files',
    native: OLD,
    applied: [ONE],
    published: TWO,
    step: 'apply',
    sees: [ONE, TWO],
    reloaded: 2,
  },
  {
    name: 'an update to another link mode',
    native: OLD,
    applied: [ONE],
    published: TWO,
    link: NEXT[link],
    step: 'apply',
    sees: [ONE, TWO],
    reloaded: 2,
  },
  {
    name: 'an update whose reload fails',
    native: OLD,
    applied: [ONE],
    published: BAD,
    step: 'apply',
    sees: [ONE, BAD, ONE],
    state: 'rolled-back',
    reloaded: 1,
  },
  {
    name: 'an update whose reload fails, where a reload takes its time',
    native: OLD,
    applied: [ONE],
    published: BAD,
    settle: 0.2,
    step: 'apply',
    sees: [ONE, BAD, ONE],
    state: 'rolled-back',
    reloaded: 1,
  },
  {
    name: 'a first release whose reload fails',
    native: OLD,
    applied: [],
    published: BAD,
    step: 'apply',
    sees: [OLD, BAD, OLD],
    state: 'rolled-back',
    reloaded: 0,
  },
  {
    name: 'an update that is validated',
    native: OLD,
    applied: [ONE],
    published: TWO,
    validated: true,
    step: 'apply',
    sees: [ONE, TWO],
    reloaded: 2,
  },
  {
    name: 'an update that is refused',
    native: OLD,
    applied: [ONE],
    published: INVALID,
    validated: true,
    step: 'apply',
    sees: [ONE],
    state: 'refused',
    reloaded: 1,
  },
  {
    name: 'an update whose health check fails',
    native: OLD,
    applied: [ONE],
    published: SICK,
    watched: true,
    step: 'apply',
    sees: [ONE, SICK, ONE],
    state: 'rolled-back',
    reloaded: 1,
  },
  {
    name: 'an offer',
    native: OLD,
    applied: [ONE],
    published: TWO,
    validated: true,
    step: 'offer',
    sees: [ONE],
    state: 'offered',
    reloaded: 1,
  },
  {
    name: 'an offer that becomes live',
    native: OLD,
    applied: [ONE],
    published: TWO,
    validated: true,
    step: 'offer-apply',
    sees: [ONE, TWO],
    reloaded: 2,
  },
  {
    name: 'files rendered with a secret',
    native: OLD,
    applied: [],
    published: LIST,
    validated: true,
    fleet: [['a'], ['a']],
    step: 'render',
    sees: [OLD, listOf('a')],
    reloaded: 1,
  },
  {
    name: 'files rendered anew as the fleet is another',
    native: OLD,
    applied: [LIST],
    validated: true,
    fleet: [['a'], ['a', 'b']],
    step: 'render',
    sees: [listOf('a'), listOf('a b')],
    reloaded: 1,
  },
  {
    name: 'files rendered anew whose reload fails',
    native: OLD,
    applied: [LIST],
    fleet: [['a'], ['a', 'bad']],
    step: 'render',
    sees: [listOf('a'), listOf('a bad'), listOf('a')],
    state: 'rolled-back',
    reloaded: 1,
  },
  { name: 'unmanage', native: OLD, applied: [ONE, TWO], step: 'unmanage', sees: [TWO] },
  { name: 'unmanage --original', native: OLD, applied: [ONE, TWO], step: 'unmanage-original', sees: [TWO, OLD] },
  {
    name: 'unmanage --original where nothing was',
    native: {},
    applied: [TWO],
    step: 'unmanage-original',
    sees: [TWO, {}],
  },
];
