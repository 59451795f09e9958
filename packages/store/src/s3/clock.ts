/** ms that an answer has to move the SDK's offset by to be a reason to try again. Its dates are whole seconds. */
const CORRECTED_MS = 60_000;

/** What any client of AWS's SDK has. */
interface SdkClient {
  readonly config: { systemClockOffset: number };
  readonly middlewareStack: {
    // biome-ignore lint/suspicious/noExplicitAny: each client has types of its own for the same
    addRelativeTo(middleware: any, options: any): void;
  };
}

type Next = (args: unknown) => Promise<unknown>;

/**
 * Keeps a client of the SDK from asking everything twice where this machine's clock is four minutes off or more. Once the SDK has such an offset it corrects it
 * by some ms with each answer, takes that for a reason to try again, and so tries again whatever was answered with an error: 304 and 404 too.
 */
export function heedClock<C extends SdkClient>(client: C): C {
  const heed = (next: Next) => async (args: unknown) => {
    const before = client.config.systemClockOffset;
    try {
      return await next(args);
    } catch (error) {
      const moved = Math.abs(client.config.systemClockOffset - before);
      const { $metadata } = error as { $metadata?: { clockSkewCorrected?: boolean } };
      if ($metadata?.clockSkewCorrected && moved < CORRECTED_MS) $metadata.clockSkewCorrected = false;
      throw error;
    }
  };
  const where = { relation: 'before', toMiddleware: 'httpSigningMiddleware', name: 'quorateClock' };
  client.middlewareStack.addRelativeTo(heed, where);
  return client;
}
