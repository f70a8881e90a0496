/** The calls of the REST twin that the page makes. */

import { key } from "./preferences.js";

/** A conversation, as the service lists it. */
export interface SessionRecord {
  id: string;
  title: string;
  updated_at: string;
  exchanges: number;
}

/** A call that was refused, with what the service says. */
export class CallError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function call(path: string, method = "GET", body?: unknown): Promise<unknown> {
  const secret = key();
  const request: RequestInit = { method, ...(secret && { headers: { authorization: `Bearer ${secret}` } }) };
  if (body !== undefined) request.body = JSON.stringify(body);
  const response = await fetch(path, request);
  const text = await response.text();
  const told: unknown = text ? JSON.parse(text) : undefined;
  if (!response.ok) {
    const { error } = (told ?? {}) as { error?: { message?: string } };
    throw new CallError(response.status, error?.message ?? String(response.status));
  }
  return told;
}

const of = (session: string): string => `/v1/sessions/${encodeURIComponent(session)}`;

/** The conversations, the one last used first; empty ones are not worth a line. */
export async function sessions(): Promise<SessionRecord[]> {
  const told = (await call("/v1/sessions?limit=100")) as { sessions: SessionRecord[] };
  return told.sessions.filter(({ exchanges }) => exchanges > 0);
}

/** Gives a conversation another name. */
export async function rename(session: string, title: string): Promise<void> {
  await call(of(session), "PATCH", { title });
}

/** Forgets a conversation. */
export async function forget(session: string): Promise<void> {
  await call(of(session), "DELETE");
}

/** A persona. */
export interface Persona {
  id: string;
  /** Its name as people say it. */
  title: string;
}

/** Who the digital human can be. */
export async function personas(): Promise<Persona[]> {
  const told = (await call("/v1/models")) as { data: { id: string; kind: string; title?: string }[] };
  return told.data.filter(({ kind }) => kind === "persona").map(({ id, title }) => ({ id, title: title ?? id }));
}
