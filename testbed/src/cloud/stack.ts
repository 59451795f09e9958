import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { until } from '../until.ts';
import type { Region } from './region.ts';

/** A template as CloudFormation takes it, as an object. */
export interface Template {
  readonly Parameters?: Readonly<Record<string, unknown>>;
  readonly Rules?: Readonly<Record<string, unknown>>;
  readonly Resources: Readonly<Record<string, { readonly Type: string }>>;
}

/** What a template made: by the names in the template. */
export interface Deployed {
  /** names or ids of what was made */
  readonly resources: ReadonlyMap<string, { readonly type: string; readonly id: string }>;
  readonly outputs: ReadonlyMap<string, string>;
}

/** Deploys a template, one that CDK made or another, and waits for it. @throws Error with CloudFormation's reason when it fails */
export async function deploy(
  region: Pick<Region, 'console'>,
  name: string,
  template: Template,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Deployed> {
  using client = disposable(new CloudFormationClient(region.console));
  const TemplateBody = JSON.stringify(withoutBootstrap(template));
  const Parameters = Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
    ParameterKey,
    ParameterValue,
  }));
  const Capabilities = ['CAPABILITY_IAM' as const, 'CAPABILITY_NAMED_IAM' as const];
  await client.send(new CreateStackCommand({ StackName: name, TemplateBody, Parameters, Capabilities }));
  const stack = await until(`stack ${name} is made`, async () => {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: name }));
    return !Stacks?.[0]?.StackStatus?.endsWith('IN_PROGRESS') && Stacks?.[0];
  });
  if (stack.StackStatus !== 'CREATE_COMPLETE')
    throw new Error(`stack ${name} is ${stack.StackStatus}: ${stack.StackStatusReason}`);
  const { StackResources = [] } = await client.send(new DescribeStackResourcesCommand({ StackName: name }));
  return {
    resources: new Map(
      StackResources.map((one) => [one.LogicalResourceId!, { type: one.ResourceType!, id: one.PhysicalResourceId! }]),
    ),
    outputs: new Map((stack.Outputs ?? []).map((one) => [one.OutputKey!, one.OutputValue!])),
  };
}

/** CDK's templates ask for its bootstrap stack, which serves to upload files and is not there. */
function withoutBootstrap({ Parameters, Rules, ...template }: Template): object {
  const { BootstrapVersion: _parameter, ...parameters } = Parameters ?? {};
  const { CheckBootstrapVersion: _rule, ...rules } = Rules ?? {};
  return { ...template, Parameters: parameters, Rules: rules };
}

function disposable<T extends { destroy(): void }>(client: T): T & Disposable {
  return Object.assign(client, { [Symbol.dispose]: () => client.destroy() });
}
