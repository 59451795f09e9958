import { spread } from './figures.ts';
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

function measurements(told: readonly Told[]): string[] {
  const named = Map.groupBy(
    told.flatMap(({ measured }) => measured),
    ({ what }) => what,
  );
  return named.size === 0 ? [] : ['', aligned([...named].map(([what, values]) => [what, spread(values)]))];
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
