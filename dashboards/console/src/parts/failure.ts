import { Problem } from "../api.ts";
import { useFormat } from "../format.ts";

const byCode: Readonly<Record<string, string>> = {
  network: "problem.network",
  sign_in_failed: "problem.credentials",
  locked_out: "problem.locked",
  rate: "problem.locked",
  busy: "problem.busy",
  not_journaling: "problem.blocked",
  not_applied: "problem.slow",
  shelving_too_long: "problem.shelving",
};
const byStatus: Readonly<Record<number, string>> = {
  401: "problem.ended",
  403: "problem.forbidden",
  404: "problem.notFound",
  409: "problem.conflict",
  429: "problem.locked",
};

/** What went wrong, in the reader's language; the service's own sentence only where ours would say less. */
export const useFailure = () => {
  const { t } = useFormat();
  return (error: unknown): string => {
    if (!(error instanceof Problem)) return t("problem.server", { status: String(error) });
    // what it says is why: replayed before, or refused again by the rules of now
    if (error.code === "already_replayed") return t("problem.replay", { detail: error.message });
    const key = byCode[error.code] ?? byStatus[error.status];
    if (key !== undefined) return t(key);
    if (error.status === 400) return t("problem.shape", { detail: error.message });
    return t("problem.server", { status: error.status });
  };
};
