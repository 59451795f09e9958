import { FOUNDING_FORMAT, type Founder, type FoundingRecord } from './founding-record.ts';
import { prune, superseding } from './refounding.ts';

export type Admission = { readonly record: FoundingRecord } | { readonly refusal: string };

/**
 * The arbiter's record with one more machine that may get data: written before the machine is made a member, each time. It moves the record's revision also
 * where the machine was in it, so that no promise counts which it gave before.
 * @param known the machines that have server ids now: who has data where the arbiter has no record yet
 */
export function admit(
  record: FoundingRecord | undefined,
  instance: string,
  own: {
    readonly cluster: string;
    readonly generation: number;
    readonly controller: Founder;
    readonly known: readonly string[];
  },
  terminated: ReadonlySet<string>,
): Admission {
  const { cluster, generation, controller, known } = own;
  const entry = (names: readonly string[]): Record<string, number> =>
    Object.fromEntries(names.map((name) => [name, generation]));
  if (!record) {
    const members = entry([...known, controller.instance, instance]);
    return {
      record: {
        format: FOUNDING_FORMAT,
        cluster,
        generation,
        revision: 1,
        founder: controller,
        state: 'founded',
        members,
      },
    };
  }
  if (record.cluster !== cluster) return { refusal: `the arbiter is of cluster ${record.cluster}, not ${cluster}` };
  if (record.generation !== generation || record.state !== 'founded')
    return {
      refusal: `the arbiter is at generation ${record.generation}, ${record.state}: this ensemble, of generation ${generation}, takes nobody in`,
    };
  return {
    record: superseding(prune(record, terminated), {
      members: { ...prune(record, terminated).members, ...entry([instance]) },
    }),
  };
}
