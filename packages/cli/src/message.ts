import { type BundleDefinition, ModelError, needsMessage } from '@quorate/model';

/**
 * The message of a release, before anybody is asked or an editor is opened. Where the bundle wants one, words that a command would put there by
 * itself say no more than that it ran.
 * @throws ModelError NO_MESSAGE
 */
export function messageFor(
  bundle: string,
  given: string | undefined,
  byItself: string,
  ...definitions: readonly BundleDefinition[]
): string {
  if (given?.trim() || !needsMessage(...definitions)) return given ?? byItself;
  throw new ModelError('NO_MESSAGE', `${bundle} takes no release without a message`);
}
