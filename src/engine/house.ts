import type { EntryOf } from "../domain/entry.ts";
import type { Priority } from "../domain/limit.ts";
import { houseId, type KindId, type LimitId, type Text } from "../domain/thing.ts";
import { clear, raise, turn } from "./alarming.ts";
import { type District, memoryOf, touch } from "./district.ts";
import { stands } from "./memory.ts";
import { houseText } from "./wording.ts";

// Facts about the service itself, found by whoever can see them and journaled as `condition`: alarms of the thing `house`.

type About = { readonly name: Text; readonly priority: Priority; readonly advice: Text };

/** What is known to be found; anything else is an alarm of high priority under its own name. */
const known: Readonly<Record<string, About>> = {
  ledger: {
    name: { zh: "读数账目不平", en: "The ledger does not balance" },
    priority: "critical",
    advice: {
      zh: "有读数去向不明。保留数据目录，立即通知维护人员。",
      en: "Readings are unaccounted for. Keep the data folder and call whoever maintains the service.",
    },
  },
  storage: {
    name: { zh: "存储空间接近上限", en: "Storage is near its bound" },
    priority: "high",
    advice: {
      zh: "扩容或调低保留天数，否则最早的单条观测将先被清除。",
      en: "Make room or keep fewer days; the oldest single observations go first.",
    },
  },
  historian: {
    name: { zh: "InfluxDB 不可写", en: "InfluxDB does not take writes" },
    priority: "medium",
    advice: {
      zh: "数据暂存本地，未丢失。检查 InfluxDB 的服务、凭据与网络。",
      en: "Everything is held here, nothing is lost. Look at InfluxDB's service, credentials and network.",
    },
  },
  "historian-gap": {
    name: { zh: "InfluxDB 缺失一段数据", en: "InfluxDB misses a range of data" },
    priority: "high",
    advice: {
      zh: "本地仍有的部分可用 npm run backfill 补写。",
      en: "Write again what is still held here with npm run backfill.",
    },
  },
  applier: {
    name: { zh: "有条目无法处理", en: "An entry could not be applied" },
    priority: "critical",
    advice: {
      zh: "程序缺陷：该条目仍在日志中。保留数据目录，升级程序后重建。",
      en: "A fault of this program; the entry stays in the journal. Keep the data folder, and rebuild with a newer version.",
    },
  },
  journal: {
    name: { zh: "日志写入受阻", en: "The journal is impaired" },
    priority: "critical",
    advice: {
      zh: "检查磁盘空间与磁盘健康；设备未确认的消息会重发。",
      en: "Look at the disk, its room and its health; devices send again what was not acknowledged.",
    },
  },
};

export const applyCondition = (district: District, entry: EntryOf<"condition">): void => {
  const house = memoryOf(district, houseId);
  const { limit, active, value, detail, at } = entry;
  const about = Object.hasOwn(known, limit) ? known[limit] : undefined;
  touch(district, house);
  if (!active) {
    clear(district, house, limit, { at });
    return;
  }
  const text = houseText(limit, about?.name, detail);
  const before = house.alarms.get(limit);
  if (stands(before)) {
    // it went on, with another number: told once more, to nobody
    if (before.value !== value) turn(district, house, { ...before, value, text }, { action: "note", at, text: detail });
    return;
  }
  raise(district, house, templateOf(district, limit, about), {
    since: at,
    raisedAt: at,
    value,
    quality: null,
    text,
    notes: [],
  });
};

const templateOf = ({ tables }: District, limit: LimitId, about: About | undefined) => ({
  kind: "house" as KindId,
  street: "" as const,
  limit,
  property: "" as const,
  priority: about?.priority ?? "high",
  setpoint: null,
  unit: "",
  standard: "",
  clause: "",
  grade: "ours" as const,
  advice: about?.advice ?? { zh: "查看服务日志。", en: "Look at the service's log." },
  responsible: tables.responsibleForHouse,
});
