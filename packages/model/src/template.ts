import { Context, Liquid, LiquidError, type Template, toValueSync } from 'liquidjs';
import type { Facts } from './facts.ts';
import { LIMITS } from './limits.ts';
import { redact } from './redact.ts';
import { RENDER_LIMIT, RenderLimit } from './render-limit.ts';
import { TemplateError } from './template-error.ts';
import type { Variables } from './variables.ts';

/** What a template may read. */
export interface TemplateScope extends Facts {
  readonly bundle: string;
  readonly vars: Variables;
  /** clear values by name */
  readonly secret: Readonly<Record<string, string>>;
}

/** Units that the engine counts: characters of made texts, elements of made lists. */
const MEMORY_MOST = 16 * 1024 * 1024;
/** ms of the processor for one template: a usual one takes less than one, and the agent does nothing else meanwhile. */
const RENDER_MS = 1000;

/** These read other files. */
const NO_TAGS = ['include', 'render', 'layout', 'block', 'tablerow'];
/** These tell the time, draw lots, or look for HTML with slow patterns: equal facts give equal files. */
const NO_FILTERS = ['sample', 'strip_html', 'newline_to_br'];

let made: Liquid | undefined;

function engine(): Liquid {
  if (made) return made;
  made = new Liquid({
    strictVariables: true,
    strictFilters: true,
    // `{% if vars.x %}` and `| default:` may ask for what is not there
    lenientIf: true,
    ownPropertyOnly: true,
    dynamicPartials: false,
    relativeReference: false,
    templates: {},
    parseLimit: LIMITS.fileBytes,
    memoryLimit: MEMORY_MOST,
    outputEscape: printable,
  });
  for (const name of NO_TAGS) delete made.tags[name];
  for (const name of Object.keys(made.filters))
    if (NO_FILTERS.includes(name) || name.startsWith('date')) delete made.filters[name];
  return made;
}

/** `[object Object]` in a file that an application reads is never meant. */
function printable(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'object') return String(value);
  throw new Error('a list or a mapping is no text: loop over it, or use `| join` or `| json`');
}

/** What a template writes, up to what a file may have. */
class BoundedText {
  buffer = '';

  write(part: unknown): void {
    if (part === undefined || part === null) return;
    this.buffer += String(part);
    if (this.buffer.length > LIMITS.fileBytes)
      throw new Error(`the file becomes larger than ${LIMITS.fileBytes / 1024 / 1024} MiB`);
  }
}

function parse(file: string, text: string): Template[] {
  try {
    return engine().parse(text);
  } catch (error) {
    throw failed(file, error, []);
  }
}

/** @throws TemplateError */
export function renderTemplate(file: string, text: string, scope: TemplateScope): string {
  const templates = parse(file, text);
  const { options, renderer } = engine();
  // a copy: nothing that a template does reaches the next one
  const own = JSON.parse(JSON.stringify(scope)) as object;
  // the library exports no class for it
  const renderLimit = new RenderLimit(RENDER_MS) as unknown as Context['renderLimit'];
  const context = new Context(own, options, { sync: true }, { liquid: engine(), renderLimit });
  try {
    const out = new BoundedText();
    toValueSync(renderer.renderTemplates(templates, context, out));
    return out.buffer;
  } catch (error) {
    throw failed(file, error, Object.values(scope.secret));
  }
}

/** Names at the top of what a template may read. */
const SCOPE_NAMES: readonly string[] = [
  'bundle',
  'instance',
  'fleet',
  'vars',
  'secret',
] satisfies (keyof TemplateScope)[];

/**
 * What a template reads from outside, as `['vars', 'workers']`, `['fleet']`; shorter where the rest is computed.
 * @throws TemplateError when it cannot be read, or reads what no instance has
 */
export function readsOf(file: string, text: string): (readonly string[])[] {
  const templates = parse(file, text);
  try {
    const found = Object.values(engine().analyzeSync(templates, { partials: false }).globals).flat();
    return found.map(({ segments, location: { row, col } }) => {
      const computed = segments.findIndex((segment) => typeof segment !== 'string');
      const path = (computed < 0 ? segments : segments.slice(0, computed)) as string[];
      if (SCOPE_NAMES.includes(path[0]!)) return path;
      throw new TemplateError(
        { file, line: row, column: col },
        `there is no ${path[0]}: templates read ${SCOPE_NAMES.join(', ')}`,
      );
    });
  } catch (error) {
    throw failed(file, error, []);
  }
}

/** @throws TemplateError */
export function templateText(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new TemplateError({ file, line: 1, column: 1 }, 'it is not UTF-8 text, which a template is', { cause });
  }
}

/** The library's own endings of a message, which the place of the error repeats. */
const PLACE = /,? (file:[^\n]*, )?line:\d+, col:\d+$/;

function failed(file: string, error: unknown, secrets: readonly string[]): TemplateError {
  if (error instanceof TemplateError) return error;
  const { message, token, originalError } = error as LiquidError & { originalError?: Error };
  const [line, column] = LiquidError.is(error) ? token.getPosition() : [1, 1];
  const reason = redact((originalError?.message ?? message).replace(PLACE, ''), secrets);
  return new TemplateError({ file, line: line!, column: column! }, explained(reason), { cause: error });
}

function explained(reason: string): string {
  const unknown = /^undefined variable: (.*)$/s.exec(reason)?.[1];
  if (unknown === undefined)
    return reason
      .replace('memory alloc limit exceeded', 'it needs more memory than a template may')
      .replace(RENDER_LIMIT, `it takes longer than ${RENDER_MS / 1000} s`);
  return `there is no ${unknown} here; ask by {% if ${unknown} %} or | default: where it may be missing`;
}
