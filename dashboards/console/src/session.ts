import { computed, ref, shallowRef } from "vue";
import { api, hasSession, onSignedOut, Problem } from "./api.ts";
import { instant, minute } from "./clock.ts";
import { close, open } from "./district.ts";
import { offerLanguage } from "./locale/index.ts";
import type { User } from "./shapes.ts";

export const user = shallowRef<User | null>(null);
/** Whether the session was ended by the service rather than by the reader. */
export const ended = ref(false);
/** May work alarms and replay rejections. */
export const mayOperate = computed(() => user.value?.role === "operator" || user.value?.role === "admin");
export const isAdmin = computed(() => user.value?.role === "admin");

/** How often a reader who is at it tells the service so: a person's session ends after 15 min without a request. */
const presentEvery = 2 * minute;
let presentAt = 0;
const present = (): void => {
  if (user.value === null || instant() - presentAt < presentEvery) return;
  presentAt = instant();
  void api.session().catch(() => {});
};
for (const event of ["pointerdown", "keydown", "wheel"]) window.addEventListener(event, present, { passive: true });

let leave: () => void = () => {};
/** What the router does when there is no session any more. */
export const onLeave = (then: () => void): void => {
  leave = then;
};

const begin = (who: User): void => {
  user.value = who;
  ended.value = false;
  offerLanguage(who.language);
  void open(lost);
};

const lost = (): void => {
  if (user.value === null) return;
  user.value = null;
  ended.value = true;
  close();
  leave();
};
onSignedOut(lost);

/** Takes up the session that the browser's cookie holds, if there is one. */
export const resume = async (): Promise<boolean> => {
  if (user.value !== null) return true;
  if (!hasSession()) return false;
  try {
    begin((await api.session()).user);
    return true;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return false;
    throw error;
  }
};

export const signIn = async (username: string, password: string, otp?: string): Promise<void> => {
  begin((await api.signIn(username, password, otp)).user);
};

export const signOut = async (): Promise<void> => {
  await api.signOut().catch(() => {});
  user.value = null;
  close();
  leave();
};
