import { ModelError } from './errors.ts';

/** A template, or a file that templates are rendered with, which cannot be read or rendered, with its place. Secret values are not in it. */
export class TemplateError extends ModelError {
  readonly file: string;
  /** from 1 */
  readonly line: number;
  /** from 1, in characters */
  readonly column: number;
  /** without the place */
  readonly reason: string;

  constructor(
    place: { file: string; line: number; column: number },
    reason: string,
    { what = 'template', ...options }: ErrorOptions & { readonly what?: 'template' | 'variables file' } = {},
  ) {
    super('BAD_TEMPLATE', `the ${what} ${place.file}:${place.line}:${place.column}: ${reason}`, options);
    this.name = 'TemplateError';
    this.file = place.file;
    this.line = place.line;
    this.column = place.column;
    this.reason = reason;
  }
}
