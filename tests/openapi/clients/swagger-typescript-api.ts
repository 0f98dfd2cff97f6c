// A client by swagger-typescript-api: lists titles, reads one, and asks for a storyboard.

import { Api, type Job, type TitleTrack } from "./generated/swagger-typescript-api/api";

export async function audioLanguages(server: string): Promise<string[]> {
  const { api } = new Api({ baseUrl: server });
  const { titles } = (await api.listTitles({ offset: 0, limit: 5 })).data;
  const documents = await Promise.all(titles.map(({ path }) => api.getTitle(path)));
  const isAudio = ({ kind }: TitleTrack) => kind === "audio";
  const tracks = documents.flatMap(({ data }) => data.tracks.filter(isAudio));
  return tracks.map(({ language }) => language ?? "unknown");
}

export async function makeStoryboard(server: string, title: string): Promise<Job> {
  const { api } = new Api({ baseUrl: server });
  const { data: job } = await api.createJob({ kind: "storyboard", title });
  return (await api.getJob(job.id)).data;
}
