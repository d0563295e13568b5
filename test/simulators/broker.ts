import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Aedes } from "aedes";

type Published = { readonly topic: string; readonly payload: string };

/** A plain MQTT broker on a free port that remembers what it acknowledged, and can drop its clients. */
export const openBroker = async () => {
  const published: Published[] = [];
  let refuse: (topic: string, payload: string) => boolean = () => false;
  const aedes = await Aedes.createBroker({
    authorizePublish: (_, packet, done) => {
      const one = { topic: packet.topic, payload: packet.payload.toString() };
      // An error closes the connection without an acknowledgement.
      if (refuse(one.topic, one.payload)) return done(new Error("broken"));
      published.push(one);
      done(null);
    },
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    aedes.handle(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    published,
    refuseWhen(condition: typeof refuse) {
      refuse = condition;
    },
    dropClients() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      server.close();
    },
  };
};
