import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.ts';

/** What is in the package and who says under which terms. */
export interface Notice {
  readonly name: string;
  readonly version: string;
  /** the terms in full, as its makers ship them */
  readonly text: string;
}

/**
 * The terms of the npm packages that are in the bundle.
 * @throws Error for a package without any: it must not be shipped before somebody has looked
 */
export function moduleNotices(modules: readonly string[]): Notice[] {
  return modules.map((module) => {
    const folder = join(ROOT, module);
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
    if (files.length === 0 && !license) throw new Error(`${module} has no license: look at it before it is shipped`);
    const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return { name, version, text: [`License: ${license}`, ...texts].join('\n\n') };
  });
}

/** The terms of a folder's jars, as they have them in META-INF. */
export function jarNotices(folder: string): Notice[] {
  const jars = readdirSync(folder)
    .filter((file) => file.endsWith('.jar'))
    .sort();
  return jars.map((jar) => {
    const path = join(folder, jar);
    const entries = execFileSync('unzip', ['-Z1', path], { encoding: 'utf8' }).split('\n');
    const files = entries.filter((entry) => /^(META-INF\/)?(LICENSE|NOTICE)[^/]*$/i.test(entry));
    const texts = files.map((file) => execFileSync('unzip', ['-p', path, file], { encoding: 'utf8' }).trim());
    const [, name = jar, version = ''] = /^(.+?)-(\d.*)\.jar$/.exec(jar) ?? [];
    return { name, version, text: texts.join('\n\n') || known(jar) };
  });
}

/** Jars that carry no terms of their own, by the start of their names: what their project says. */
const KNOWN: readonly (readonly [name: string, text: string])[] = [
  ['slf4j-', 'License: MIT (https://www.slf4j.org/license.html)\nCopyright (c) 2004-2023 QOS.ch Sarl'],
  [
    'zookeeper-',
    'License: Apache-2.0 (https://zookeeper.apache.org)\nApache ZooKeeper\nCopyright The Apache Software Foundation',
  ],
  ['netty-', 'License: Apache-2.0 (https://netty.io)\nCopyright The Netty Project'],
  [
    'metrics-core',
    'License: Apache-2.0 (https://metrics.dropwizard.io)\nCopyright Coda Hale, Yammer Inc., Dropwizard Team',
  ],
  [
    'snappy-java',
    'License: Apache-2.0 (https://github.com/xerial/snappy-java)\nCopyright Taro L. Saito; within it Snappy, BSD-3-Clause, Copyright 2011 Google Inc.',
  ],
  ['audience-annotations', 'License: Apache-2.0 (https://yetus.apache.org)\nCopyright The Apache Software Foundation'],
];

function known(jar: string): string {
  const found = KNOWN.find(([start]) => jar.startsWith(start));
  if (found) return found[1];
  throw new Error(`${jar} has no LICENSE and none is known for it: look at it before it is shipped`);
}

/** All of them as one text. Terms that several share stand once. */
export function noticesText(notices: readonly Notice[]): string {
  const byText = new Map<string, string[]>();
  for (const { name, version, text } of notices) byText.set(text, [...(byText.get(text) ?? []), `${name} ${version}`]);
  const line = '='.repeat(78);
  return [...byText].map(([text, names]) => `${line}\n${names.join('\n')}\n${line}\n\n${text}\n`).join('\n');
}
