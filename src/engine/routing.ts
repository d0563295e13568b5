import type { Alarm } from "../domain/alarm.ts";
import type { Registry } from "../domain/registry.ts";
import type { Thing } from "../domain/thing.ts";

type Responsible = Alarm["responsible"];

/**
 * Who must hear of a thing's alarms, nearest first (plan §20, §22, §23): 网格长, 街(路)长, 工作专班, the liaison of the
 * department that works the kind, the office, the leader. Escalation goes down this list by role.
 */
export const responsibleFor = (registry: Registry, thing: Thing, queue: string): Responsible => {
  const street = registry.streets.find(({ id }) => id === thing.street);
  const grid = registry.grids.find(({ id }) => id === thing.grid);
  const department = registry.departments.find((one) => one.queue === queue);
  return [
    ...(grid === undefined ? [] : [{ person: grid.chief, role: "gridChief" }]),
    ...(street === undefined ? [] : [{ person: street.chief, role: "streetChief" }]),
    ...(street === undefined ? [] : [{ person: street.taskForce, role: "taskForce" }]),
    ...(department === undefined ? [] : [{ person: department.liaison, role: "liaison" }]),
    ...responsibleForHouse(registry),
  ];
};

/** Who must hear of the service itself. */
export const responsibleForHouse = ({ office, leader }: Registry): Responsible => [
  { person: office, role: "office" },
  { person: leader, role: "leader" },
];
