// Thousands of requests with faults drawn at random: every one answered, and afterwards as many
// threads and descriptors as before. CRAYON_SOAK_REQUESTS sets their number (10000 for the whole).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "crayon/base/random.h"
#include "tests/faults/world.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;

constexpr int kRequests = 1000;

int requests() {
  const char* wanted = std::getenv("CRAYON_SOAK_REQUESTS");
  return wanted == nullptr ? kRequests : std::atoi(wanted);
}

std::size_t count(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

// What a process may leak.
struct Held {
  std::size_t descriptors = count("/proc/self/fd");
  std::size_t threads = count("/proc/self/task");
};

/// Threads end a little after what they worked for.
bool fell_to(const Held& before) {
  for (int i = 0; i < 500; ++i) {
    const Held now;
    if (now.descriptors <= before.descriptors && now.threads <= before.threads) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

/// The faults of one kind of URL. Those that send megabytes are seldom drawn, as each takes a
/// while; those that ask to come back later never, as the server would then be left alone for long.
class Draw {
 public:
  explicit Draw(bool tls) {
    for (const Fault& fault : all_faults()) {
      const bool later = std::string(fault.name).find("back") != std::string::npos;
      if (fault.tls == tls && !later) faults_.push_back(&fault);
    }
  }
  const Fault* operator()(int nth) const {
    Rng rng(7, std::to_string(nth));
    if (rng.below(4) == 0) return nullptr;
    const Fault* fault = faults_[rng.below(faults_.size())];
    const std::string name = fault->name;
    const bool costly =
        name.find("without end") != std::string::npos || name.find("gigabyte") != std::string::npos;
    return costly && rng.below(50) != 0 ? nullptr : fault;
  }

 private:
  std::vector<const Fault*> faults_;
};

struct Tally {
  int device = 0, server = 0, broke_off = 0, wrong = 0;
  double slowest = 0;
};

class Soak : public ::testing::Test {
 protected:
  RemoteOptions options(const FaultyServer& plain, const FaultyServer& tls) const {
    RemoteOptions options;
    options.servers = {world_.server(plain.url()), world_.server(tls.url(true)),
                       world_.server("http://127.0.0.1:9")};
    options.timeouts = {40ms, 20ms, 100ms};
    options.retry = quick_retries();
    options.breaker = {.failures = 8, .first_rest = 1ms, .longest_rest = 1ms};
    return options;
  }
  void ask(Answerer& answerer, int i, Tally& tally) const {
    const bool free = i % 2 == 1;
    std::string said;
    const OnText listen = [&](std::string_view s) {
      said += s;
      return true;
    };
    try {
      check(answerer.answer(free ? FaultWorld::free_question() : FaultWorld::choice_question(),
                            listen),
            said, free, tally);
    } catch (const Error& error) {  // of a stream whose text was begun, and of nothing else
      ++tally.broke_off;
      if (free && said == "B") return;
      ++tally.wrong;
      ADD_FAILURE() << i << ": said '" << said << "', " << error.what();
    }
  }
  static void check(const Answer& answer, const std::string& said, bool free, Tally& tally) {
    const bool server = answer.side == Side::Server;
    const char* device_says = free ? FaultWorld::free_answer() : "yes";
    const char* server_says = free ? "B" : "no";
    const bool right =
        server ? answer.text == server_says : answer.text.find(device_says) != std::string::npos;
    if (!right || said != answer.text) {
      ++tally.wrong;
      ADD_FAILURE() << "'" << answer.text << "', said '" << said << "', " << answer.reason;
    }
    ++(server ? tally.server : tally.device);
    tally.slowest = std::max(tally.slowest, answer.seconds);
  }

  FaultWorld world_;
};

TEST_F(Soak, EveryRequestIsAnsweredAndNothingIsLost) {
  const Held before;
  Tally tally;
  {
    FaultyServer plain(world_.authority(), Draw(false), 4);
    FaultyServer tls(world_.authority(), Draw(true), 4);
    Remote remote(options(plain, tls));
    Answerer answerer = world_.answerer(remote);
    for (int i = 0; i < requests() && tally.wrong < 5; ++i) ask(answerer, i, tally);
  }
  EXPECT_EQ(tally.device + tally.server + tally.broke_off, requests());
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_GT(tally.device, 0);
  EXPECT_GT(tally.server, 0);
  EXPECT_GT(tally.broke_off, 0);
  const bool all_back = fell_to(before);
  const Held after;
  EXPECT_TRUE(all_back) << fmt::format("descriptors {} to {}, threads {} to {}", before.descriptors,
                                       after.descriptors, before.threads, after.threads);
  fmt::print("{} by the device, {} by a server, {} broken off in the text; slowest {:.3f} s\n",
             tally.device, tally.server, tally.broke_off, tally.slowest);
}

}  // namespace
}  // namespace crayon
