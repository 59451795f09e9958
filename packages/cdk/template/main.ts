// npm run template: the CloudFormation template of a fleet for those without CDK, as YAML to the standard output, or to a file: .yaml or .json.
import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { plainTemplate } from './stack.ts';

const [file] = process.argv.slice(2);
const template = plainTemplate();
const text = file?.endsWith('.json') ? `${JSON.stringify(template, null, 2)}\n` : stringify(template, { lineWidth: 0 });
if (file === undefined) process.stdout.write(text);
else writeFileSync(file, text);
