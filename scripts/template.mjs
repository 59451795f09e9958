// npm run template [-- FILE]: the plain CloudFormation template that the CDK construct makes.
import { environment, install, installApart, node, ROOT, run } from './workshop.mjs';

install();
installApart('packages/cdk', 'the AWS CDK');
process.exitCode = await run(node(), [`${ROOT}packages/cdk/template/main.ts`, ...process.argv.slice(2)], environment());
