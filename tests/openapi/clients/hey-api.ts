// A client by @hey-api/openapi-ts: lists titles, reads one, and asks for a rendition.

import { createJob, getJob, getTitle, listTitles, type TitleDocument } from "./generated/hey-api";
import { createClient } from "./generated/hey-api/client";

export async function play(server: string): Promise<string | null> {
  const client = createClient({ baseUrl: server });
  const { data: list, error } = await listTitles({ client, query: { search: "clock", sort: "-size", limit: 1 } });
  if (!list) throw new Error(error.title);
  const [first] = list.titles;
  if (!first) return null;
  const { data: title } = await getTitle({ client, path: { path: first.path }, throwOnError: true });
  return title.playable.segments ? title.hls : title.file;
}

/** The seconds at which chapters start, by their titles. */
export const chapters = ({ chapters }: TitleDocument): Map<string, number> =>
  new Map(chapters.map(({ title, start_s }) => [title, start_s]));

export async function makeRendition(server: string, title: string): Promise<number> {
  const client = createClient({ baseUrl: server });
  const body = { kind: "rendition", title, height: 480, codec: "h264" } as const;
  const { data: job } = await createJob({ client, body, throwOnError: true });
  const { data: now } = await getJob({ client, path: { id: job.id }, throwOnError: true });
  return now.progress.percent;
}
