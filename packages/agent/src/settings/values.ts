import * as v from 'valibot';

export const text = v.pipe(v.string(), v.nonEmpty());
export const absolute = v.pipe(
  v.string(),
  v.check((path) => path.startsWith('/'), 'an absolute path'),
);
