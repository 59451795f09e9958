import * as v from 'valibot';

export const text = v.pipe(v.string(), v.nonEmpty());
export const absolute = v.pipe(
  v.string(),
  v.check((path) => path.startsWith('/'), 'an absolute path'),
);

/** Text that a function understands. @param read throws an Error that says what is wanted */
export const readBy = (read: (text: string) => unknown) =>
  v.pipe(
    v.string(),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      try {
        read(dataset.value);
      } catch (error) {
        addIssue({ message: (error as Error).message });
      }
    }),
  );
