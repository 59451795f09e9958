import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { ROOT } from './root.ts';

/** The command and the agent as one file of JavaScript. */
export interface Bundle {
  readonly code: Uint8Array;
  /** folders of others' packages that are in it, below the checkout */
  readonly modules: readonly string[];
  /** files of our packages that it reads when it runs, relative to the folder that holds `app/` */
  readonly reads: readonly string[];
}

/**
 * CommonJS, since `import` of a builtin would run at the start also where only a part that is loaded later needs it: measured, 57 MB
 * instead of 65 and two thirds of the time until `--version` has answered (docs/dependencies.md).
 */
export async function bundle(): Promise<Bundle> {
  const reads = new Set<string>();
  const { outputFiles, metafile, warnings } = await build({
    stdin: {
      contents: "import { main } from './packages/cli/src/main.ts'; void main(process.argv.slice(2));",
      resolveDir: ROOT,
      sourcefile: 'quorate.js',
    },
    absWorkingDir: ROOT,
    outfile: 'quorate.cjs',
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    conditions: ['@quorate/source'],
    legalComments: 'none',
    logLevel: 'silent',
    banner: { js: `const __place = (file) => require("node:url").pathToFileURL(__dirname + "/" + file).href;` },
    plugins: [places(reads)],
  });
  // what esbuild only warns of would fail on somebody's machine
  if (warnings.length > 0) throw new Error(`the bundle: ${warnings.map(({ text }) => text).join('; ')}`);
  const modules = new Set<string>();
  for (const path of Object.keys(metafile.inputs)) {
    const module = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (module) modules.add(module);
  }
  return { code: outputFiles[0]!.contents, modules: [...modules].sort(), reads: [...reads].sort() };
}

/** A source of ours that reads a file beside it finds it where the package has it: `app/` stands for each package's `src/`. */
function places(reads: Set<string>): Plugin {
  return {
    name: 'places',
    setup({ onLoad }) {
      onLoad({ filter: /\/packages\/[^/]+\/src\/.*\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        if (!source.includes('import.meta.url')) return undefined;
        const place = join('app', relative(ROOT, path).split('/').slice(3).join('/'));
        const named = [...source.matchAll(/new URL\('([^']+)', import\.meta\.url\)/g)].map(([, file]) => file!);
        if (named.length !== source.split('import.meta.url').length - 1)
          throw new Error(`${path}: the package can only follow \`new URL('…', import.meta.url)\``);
        for (const file of named) reads.add(join(place, '..', file));
        const contents = source.replaceAll('import.meta.url', `__place(${JSON.stringify(place.slice('app/'.length))})`);
        return { contents: `declare const __place: (file: string) => string;\n${contents}`, loader: 'ts' };
      });
    },
  };
}
