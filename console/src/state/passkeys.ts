/** Passkeys: what the browser makes and shows of them, in JSON as the API has it (WebAuthn, 5.1.10). */

/** Whether this browser can make and use passkeys, and read and write their JSON. */
export const passkeysHere = typeof PublicKeyCredential === "function" && "parseCreationOptionsFromJSON" in PublicKeyCredential && !atAddress();

/** Whether the page is of an IP address: a passkey belongs to a name (WebAuthn, 5.1.3), and browsers refuse it here. */
export function atAddress(): boolean {
  return /^[\d.]+$|^\[/.test(location.hostname);
}

/** The person said no, or took too long; or the device has the passkey already. */
export class PasskeyRefused extends Error {}

/** Makes a passkey by the options of the API.
 *
 * @throws PasskeyRefused - none was made.
 */
export function makePasskey(options: string): Promise<string> {
  return _answered(() => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options)) }));
}

/** Shows a passkey by the options of the API.
 *
 * @throws PasskeyRefused - none was shown.
 */
export function showPasskey(options: string): Promise<string> {
  return _answered(() => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options)) }));
}

async function _answered(ask: () => Promise<Credential | null>): Promise<string> {
  try {
    return JSON.stringify(await ask());
  } catch (error) {
    throw new PasskeyRefused(error instanceof DOMException ? error.name : String(error));
  }
}
