// A service of another team in another language: grpc-js, and nothing of Tocsin. node server.js MODULES PROTO_PATH...
const path = require("path");
const [modules, ...includeDirs] = process.argv.slice(2);
const grpc = require(path.join(modules, "@grpc/grpc-js"));
const loader = require(path.join(modules, "@grpc/proto-loader"));

const definition = loader.loadSync("billing/v1/billing.proto", { includeDirs, longs: String, enums: String, defaults: false });
const { Invoices } = grpc.loadPackageDefinition(definition).billing.v1;

const server = new grpc.Server();
server.addService(Invoices.service, {
  GetInvoice(call, answer) {
    if (call.request.name.endsWith("/0")) {
      const metadata = new grpc.Metadata();
      metadata.set("x-reason", "zero");
      return answer({ code: grpc.status.NOT_FOUND, details: "no invoice 0", metadata });
    }
    const metadata = new grpc.Metadata();
    metadata.set("x-language", "javascript");
    call.sendMetadata(metadata);
    const tenant = String(call.metadata.get("x-tocsin-tenant")[0]);
    answer(null, { name: call.request.name, totalCents: "9007199254740993", state: "STATE_PAID", lines: [{ text: tenant }] });
  },
  CreateInvoice(call, answer) {
    answer(null, { ...call.request.invoice, name: `${call.request.parent}/invoices/1` });
  },
  WatchInvoices(call) {
    for (let number = 0; number < 3; number++) call.write({ name: `${call.request.parent}/invoices/${number}` });
    call.end();
  },
  ExportInvoices(call) {
    call.write({ contentType: "text/csv", data: Buffer.from("a,b\n") });
    call.write({ contentType: "text/csv", data: Buffer.from([0, 255]) });
    call.end();
  },
  ImportInvoices(call, answer) {
    let count = 0;
    call.on("data", () => count++);
    call.on("end", () => answer(null, { count }));
  },
  Chat(call) {
    call.on("data", (invoice) => call.write(invoice));
    call.on("end", () => call.end());
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
