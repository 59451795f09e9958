export interface Measured {
  readonly what: string;
  readonly value: number;
  readonly unit: 'ms' | 's' | 'MB' | 'requests';
}

const DIGITS: Readonly<Record<Measured['unit'], number>> = { ms: 0, s: 2, MB: 1, requests: 0 };

export function shown({ value, unit }: Pick<Measured, 'value' | 'unit'>): string {
  return `${value.toFixed(DIGITS[unit])} ${unit}`;
}

/** One value; or the least, the middle and the greatest of several. */
export function spread(values: readonly Measured[]): string {
  const sorted = values.toSorted((a, b) => a.value - b.value);
  if (sorted.length === 1) return shown(sorted[0]!);
  const marks = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  return `${marks.map(shown).join(' – ')}  (${sorted.length} times)`;
}
