// Workers over c10d: Gloo for tensors, a TCPStore of worker 0's for the rest. The one file that
// knows either; without them no_gloo_group.cpp stands in its place.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <torch/torch.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/trainer/internal/process_group.h"
#include "crayon/trainer/internal/worker_watch.h"

namespace crayon {
namespace {

using c10d::ProcessGroupGloo;
using Milliseconds = std::chrono::milliseconds;
using StorePtr = c10::intrusive_ptr<c10d::TCPStore>;

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

/// c10d's store, which worker 0 serves on a port of its own.
class StoreKeys : public SharedKeys {
 public:
  explicit StoreKeys(StorePtr store) : store_(std::move(store)) {}
  std::int64_t add(const std::string& key, std::int64_t n) override { return store_->add(key, n); }
  std::string set_once(const std::string& key, const std::string& value) override {
    const auto stands = store_->compareSet(key, {}, bytes_of(value));
    return {stands.begin(), stands.end()};
  }
  std::optional<std::string> get(const std::string& key) override {
    if (!store_->check({key})) return std::nullopt;
    const auto value = store_->get(key);
    return std::string(value.begin(), value.end());
  }

 private:
  StorePtr store_;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Milliseconds longest_wait(const WorkerPlace& place) {
  return std::chrono::duration_cast<Milliseconds>(
      std::chrono::duration<double, std::ratio<60>>(place.wait_minutes));
}

StorePtr open_store(const WorkerPlace& place, bool serves) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.store_port);
  options.isServer = serves;
  options.numWorkers = static_cast<std::size_t>(place.size);
  options.waitWorkers = false;
  options.timeout = longest_wait(place);
  try {
    return c10::make_intrusive<c10d::TCPStore>(place.host, options);
  } catch (const std::exception& error) {
    throw_if_interrupted();  // Ctrl-C breaks off the wait
    throw Error(
        ErrorCode::Unavailable,
        fmt::format("{}:{}: worker {} of {} {} ({}); {}", place.host, place.store_port, place.rank,
                    place.size, serves ? "cannot listen here" : "finds no worker 0 here",
                    first_line(error.what()),
                    serves ? "choose another port with --store-port, the same for all workers"
                           : "check MASTER_ADDR, MASTER_PORT and --store-port, and that worker 0 "
                             "runs"));
  }
}

/// Our own address on the way to `host`, in numbers; empty where it cannot be told. A datagram
/// socket sends nothing when it is connected.
std::string address_towards(const std::string& host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    std::array<char, NI_MAXHOST> name{};
    auto* address = reinterpret_cast<sockaddr*>(&own);
    const bool known =
        connect(fd, at->ai_addr, at->ai_addrlen) == 0 && getsockname(fd, address, &length) == 0 &&
        getnameinfo(address, length, name.data(), name.size(), nullptr, 0, NI_NUMERICHOST) == 0;
    close(fd);
    if (known) return name.data();
  }
  return {};
}

/// As torch: GLOO_SOCKET_IFNAME names the network interface. Else the one that leads to worker 0,
/// not the one that this machine's name stands for, which is often the loopback one.
std::shared_ptr<::gloo::transport::Device> choose_device(const WorkerPlace& place) {
  const char* name = std::getenv("GLOO_SOCKET_IFNAME");
  if (name != nullptr && *name != '\0') return ProcessGroupGloo::createDeviceForInterface(name);
  const std::string address = address_towards(place.host, place.store_port);
  return address.empty() ? ProcessGroupGloo::createDefaultDevice()
                         : ProcessGroupGloo::createDeviceForHostname(address);
}

class GlooGroup : public ProcessGroup {
 public:
  GlooGroup(const WorkerPlace& place, const StorePtr& store)
      : ProcessGroup(place),
        watch_(place, std::make_unique<StoreKeys>(store),
               std::make_unique<StoreKeys>(open_store(place, false))) {
    watch_.meet("join", longest_wait(place));
    auto options = ProcessGroupGloo::Options::create(longest_wait(place));
    options->devices.push_back(choose_device(place));
    options->threads = 1;
    guard([&] {
      gloo_ =
          c10::make_intrusive<ProcessGroupGloo>(store, place.rank, place.size, std::move(options));
    });
  }

  using ProcessGroup::from_leader;
  using ProcessGroup::sum;

  void sum(torch::Tensor tensor) override {
    exchange(std::move(tensor),
             [this](std::vector<at::Tensor>& tensors) { return gloo_->allreduce(tensors); });
  }
  void broadcast(torch::Tensor tensor) override {
    exchange(std::move(tensor),
             [this](std::vector<at::Tensor>& tensors) { return gloo_->broadcast(tensors); });
  }
  void meet(const std::string& where) override { watch_.meet(where); }
  std::string from_leader(const std::string& name, const std::string& text) override {
    return watch_.from_leader(name, text);
  }
  WorkerFailure tell(const WorkerFailure& failure) override { return watch_.tell(failure); }
  void leave() noexcept override { watch_.leave(); }

 private:
  template <typename Work>
  void guard(const Work& work) {
    watch_.begin_exchange();
    std::string reason;
    try {
      work();
      return;
    } catch (const std::exception& error) {
      reason = first_line(error.what());
    }
    watch_.explain(reason);
  }

  /// Through memory of the host: Gloo knows no other.
  template <typename Start>
  void exchange(torch::Tensor tensor, const Start& start) {
    const torch::NoGradGuard no_gradients;
    const bool away = !tensor.device().is_cpu();
    std::vector<at::Tensor> tensors = {away ? tensor.to(torch::kCPU) : tensor};
    guard([&] { start(tensors)->wait(); });
    if (away) tensor.copy_(tensors[0]);
  }

  WorkerWatch watch_;
  c10::intrusive_ptr<ProcessGroupGloo> gloo_;
};

}  // namespace

bool can_join_others() noexcept { return true; }

std::shared_ptr<ProcessGroup> join_others(const WorkerPlace& place) {
  return std::make_shared<GlooGroup>(place, open_store(place, place.rank == 0));
}

}  // namespace crayon
