/** What went wrong, as a stable word that programs can rely on. */
export type ModelErrorCode =
  | 'BAD_PATH' // a path that is absolute, climbs out, or is not plain UTF-8
  | 'BAD_MANIFEST'
  | 'BAD_DEFINITION'
  | 'BAD_RECORD' // a stored record that cannot be read
  | 'NEWER_FORMAT' // written by a newer Quorate; never guessed at
  | 'BAD_KEY' // text that is no public key
  | 'BAD_TAG' // a name that cannot be one of a release
  | 'NO_MESSAGE' // a release that has to say why, and does not
  | 'BAD_TEMPLATE' // a template that cannot be read or rendered: a TemplateError has its place
  | 'NO_ROLLOUT' // there is none that could be steered so
  | 'LIMIT'; // more files or bytes than Quorate takes

export class ModelError extends Error {
  readonly code: ModelErrorCode;

  constructor(code: ModelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ModelError';
    this.code = code;
  }
}
