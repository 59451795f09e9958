import { Stack, Validations } from 'aws-cdk-lib';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

/** Says to cdk-nag and its like why a construct is as it is; without such a plugin it does nothing. */
export function explain(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: rule, reason });
}

/** Likewise for the wildcards in the resources of statements, one by one: a further one is found. */
export function explainWildcards(construct: IConstruct, statements: readonly PolicyStatement[], reason: string): void {
  for (const resource of statements.flatMap((statement) => statement.resources)) {
    const written = asText(Stack.of(construct).resolve(resource));
    if (written.includes('*')) explain(construct, `AwsSolutions-IAM5[Resource::${written}]`, reason);
  }
}

/** A value of a template as cdk-nag writes it: `<Name>` for a reference, `<Name.Attribute>` for an attribute. */
export function asText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[call, argument] = ['', undefined]] = Object.entries(value) as [string, unknown][];
  if (call === 'Ref') return `<${argument}>`;
  if (call === 'Fn::GetAtt') return `<${(argument as string[]).join('.')}>`;
  if (call === 'Fn::Join') {
    const [between, parts] = argument as [string, unknown[]];
    return parts.map(asText).join(between);
  }
  return JSON.stringify(value);
}
