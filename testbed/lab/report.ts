import type { Measured } from './lab.ts';
import type { Told } from './tell.ts';

/** A table of what was told, then what was measured. */
export function summary(told: readonly Told[]): string {
  const rows = told.map(({ name, size, passed, seconds, acknowledged }) => [
    name,
    passed ? 'kept' : '✖ broken',
    String(size.machines),
    `${seconds.toFixed(0)} s`,
    String(acknowledged),
  ]);
  const table = [['story', 'promises', 'machines', 'took', 'acknowledged'], ...rows];
  const failed = told.filter(({ passed }) => !passed).length;
  return [
    aligned(table),
    ...measurements(told),
    `\n${told.length - failed} kept, ${failed} broken, ${rows.reduce((sum, row) => sum + Number(row[4]), 0)} releases acknowledged`,
  ].join('\n');
}

/** Several values of one name are shown as their least, middle and greatest. */
function measurements(told: readonly Told[]): string[] {
  const all = told.flatMap(({ measured }) => measured);
  if (all.length === 0) return [];
  const rows = [...Map.groupBy(all, ({ what }) => what)].map(([what, values]) => [what, spread(values)]);
  return ['', aligned(rows)];
}

function spread(values: readonly Measured[]): string {
  const { unit } = values[0]!;
  const numbers = values.map(({ value }) => value).sort((a, b) => a - b);
  const shown = (value: number): string => value.toFixed(unit === 's' ? 2 : 0);
  const [least, middle, most] = [numbers[0]!, numbers[Math.floor(numbers.length / 2)]!, numbers.at(-1)!].map(shown);
  return numbers.length === 1
    ? `${middle} ${unit}`
    : `${least} – ${middle} – ${most} ${unit}  (${numbers.length} times)`;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
