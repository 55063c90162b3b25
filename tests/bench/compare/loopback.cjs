// For Portkey, which knows no option for it: what listens, listens on 127.0.0.1 alone.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port === "object") return listen.call(this, { ...port, host: "127.0.0.1" }, ...rest);
  return listen.call(this, port, "127.0.0.1", ...rest.filter((more) => typeof more === "function"));
};
