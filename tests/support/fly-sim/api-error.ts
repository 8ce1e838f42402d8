/** A refusal as the API words it: a status code and the body `{ error, status? }`. */
export class ApiError extends Error {
  readonly code: number;
  /** The machine-readable word that some refusals carry. */
  readonly status: string | undefined;

  constructor(code: number, message: string, status?: string) {
    super(message);
    this.code = code;
    this.status = status;
  }

  get body(): { error: string; status?: string } {
    return { error: this.message, ...(this.status === undefined ? {} : { status: this.status }) };
  }
}

export const RATE_LIMITED = new ApiError(429, 'rate limit exceeded');
export const UNAUTHORIZED = new ApiError(401, 'unauthorized');
