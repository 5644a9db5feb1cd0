// The program `crayon` as users and scripts see it: JSON keys, exit statuses, one-line errors,
// nothing half written, nothing sent.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "crayon/base/files.h"
#include "crayon/cli/internal/program_world_test.h"
#include "crayon/formats/task_file.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kCustomize = "customize --model model.gguf --pool pool --examples examples.jsonl";

class Program : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new ProgramWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  static ProgramRun run(const std::string& args, const std::string& input = {},
                        const std::string& settings = {}) {
    return world_->run(args, input, settings);
  }
  static Json json(const std::string& args, const std::string& input = {},
                   const std::string& settings = {}) {
    const ProgramRun done = run(args + " --json", input, settings);
    EXPECT_EQ(done.status, 0) << args << "\n" << done.notes;
    return Json::parse(done.out);
  }
  static ProgramWorld* world_;
};
ProgramWorld* Program::world_ = nullptr;

TEST_F(Program, CustomizePrintsTheKeysThatScriptsRelyOn) {
  const Json got = json(kCustomize + " --name keys");
  for (const char* key : {"task", "file", "pool", "n_examples", "weights", "mode", "rank",
                          "relative_error", "seconds", "leave_one_out", "kept"}) {
    EXPECT_TRUE(got.contains(key)) << key;
  }
  for (const char* key : {"load", "embed", "gate", "blend", "write", "total"}) {
    EXPECT_TRUE(got["seconds"].contains(key)) << key;
  }
  for (const char* key : {"base", "blended", "n"}) {
    EXPECT_TRUE(got["leave_one_out"].contains(key)) << key;
  }
  EXPECT_EQ(got["task"], "keys");
  EXPECT_EQ(got["n_examples"], 8);
  EXPECT_EQ(got["scope_examples_needed"], 20);
  EXPECT_EQ(got["weights"].size(), 3u);
  EXPECT_EQ(got["leave_one_out"]["n"], 8);
  EXPECT_TRUE(read_task(got["file"].get<std::string>()).info);
}

TEST_F(Program, CustomizeTellsPeopleWeightsTimesAndWhatToDoNext) {
  const ProgramRun done = run(kCustomize + " -o people.gguf");
  EXPECT_EQ(done.status, 0) << done.notes;
  for (const char* text : {"a0 ", "a2 ", "█", "seconds  load", "kept ", "crayon eval --task",
                           "scope    none with 8 examples; from 20 on"}) {
    EXPECT_THAT(done.out, HasSubstr(text));
  }
  EXPECT_THAT(done.out + done.notes, Not(HasSubstr("secret")));
}

TEST_F(Program, CustomizeTakesModesWeightsRefineAndStandardInput) {
  const Json low = json(kCustomize + " -o low.gguf --mode lowrank --rank 1 --no-compare");
  EXPECT_EQ(low["mode"], "lowrank");
  EXPECT_EQ(low["rank"], 1);
  EXPECT_GT(low["relative_error"], 0.01);
  const Json fixed = json(kCustomize + " -o fixed.gguf --weights 0.5,-0.25,0 --no-compare");
  EXPECT_EQ(fixed["weights"], Json({0.5, -0.25, 0.0}));
  EXPECT_EQ(fixed["relative_error"], 0.0);
  EXPECT_TRUE(json(kCustomize + " -o refined.gguf --refine")["leave_one_out"].contains("n"));
  const std::string line = R"({"question":"a","choices":["x","y"]})"
                           "\n";
  EXPECT_EQ(json("customize --model model.gguf --pool pool --examples - -o in.gguf",
                 line + line)["n_examples"],
            2);
}

/// id, answer and scores of each line: what does not depend on the clock.
std::vector<Json> answers_in(const std::string& lines) {
  std::vector<Json> found;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    const Json json = Json::parse(line);
    found.push_back({json.at("id"), json.at("answer"), json.at("scores")});
  }
  return found;
}

TEST_F(Program, AskAnswersOneQuestionAStreamAndAFile) {
  ASSERT_EQ(run(kCustomize + " -o ask.gguf").status, 0);
  const std::string ask = "ask --model model.gguf --task ask.gguf ";
  const Json one = json(ask + "--choice yes --choice no 'is it'");
  for (const char* key : {"answer", "choice", "side", "reason", "confidence", "scope", "seconds"}) {
    EXPECT_TRUE(one.contains(key)) << key;
  }
  EXPECT_TRUE(one["tokens"].contains("prompt"));
  EXPECT_TRUE(one["tokens"].contains("completion"));
  EXPECT_EQ(one["side"], "device");
  EXPECT_EQ(one["scope_examples_needed"], 20);
  const ProgramRun stream = run(ask + "-", read_text(world_->path("examples.jsonl")));
  EXPECT_EQ(std::ranges::count(stream.out, '\n'), 8) << stream.notes;
  EXPECT_EQ(answers_in(run(ask + "-q --questions examples.jsonl").out), answers_in(stream.out));
  const Json free = json("ask --model model.gguf --task base --max-tokens 3 hello");
  EXPECT_LE(free["tokens"]["completion"], 3);
}

TEST_F(Program, AskStreamStopsAtABadLineAndNamesItAfterAnsweringTheOthers) {
  const std::string good = R"({"question":"a","choices":["x","y"]})"
                           "\n";
  const ProgramRun done =
      run("ask --model model.gguf --task base -", good + "{\"secret\"\n" + good);
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(std::ranges::count(done.out, '\n'), 1);
  EXPECT_THAT(done.notes, HasSubstr("standard input:2"));
}

TEST_F(Program, AQuestionThatDoesNotFitCostsItsOwnAnswerOnly) {
  const std::string good = R"({"id":"good","question":"a","choices":["x","y"]})"
                           "\n";
  const std::string lines = R"({"id":"long","question":"secret )" + std::string(2000, 'x') +
                            R"(","choices":["x","y"]})"
                            "\n" +
                            good;
  world_->write("long.jsonl", lines);
  const std::string ask = "ask -q --model model.gguf --task base --context-tokens 64 ";
  for (const ProgramRun& done : {run(ask + "-", lines), run(ask + "--questions long.jsonl")}) {
    EXPECT_EQ(done.status, 0) << done.notes;
    const auto end = done.out.find('\n');
    const Json failed = Json::parse(done.out.substr(0, end));
    EXPECT_EQ(failed["id"], "long");
    EXPECT_THAT(failed["error"], HasSubstr("64"));
    EXPECT_EQ(Json::parse(done.out.substr(end))["id"], "good");
    EXPECT_THAT(done.notes, HasSubstr("1 of 2 questions"));
  }
  const ProgramRun made =
      run("customize --model model.gguf --pool pool -o new.gguf --context-tokens 64 "
          "--examples long.jsonl");
  EXPECT_EQ(made.status, 2);
  EXPECT_THAT(made.notes, HasSubstr("example 'long'"));
}

TEST_F(Program, CtrlCWhileAskWaitsForALineIsNoSuccess) {
  ASSERT_EQ(mkfifo(world_->path("pipe").c_str(), 0600), 0);
  const ProgramRun done =
      run("ask --model model.gguf --task base -", {},
          "sh -c 'exec 3<>pipe; exec timeout --preserve-status -s INT 3 \"$@\" <&3' sh");
  EXPECT_EQ(done.status, 130) << done.notes;
  std::filesystem::remove(world_->path("pipe"));
}

TEST_F(Program, OutputThatCannotBeWrittenIsNoSuccess) {
  for (const char* args : {"models list", "--help"}) {
    const ProgramRun done = run(args, {}, "sh -c 'exec \"$@\" >/dev/full' sh");
    EXPECT_EQ(done.status, 7) << args;
    EXPECT_THAT(done.notes, HasSubstr("standard output cannot be written")) << args;
  }
}

TEST_F(Program, AskSaysThatTheServerIsDownAndStillAnswers) {
  const ProgramRun done =
      run("ask --model model.gguf --task base --server-url http://127.0.0.1:9 --side server "
          "--choice yes --choice no 'is it'");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, ::testing::AnyOf("yes\n", "no\n"));
  EXPECT_THAT(done.notes, HasSubstr("server unavailable"));
}

TEST_F(Program, EvalPrintsKeysAndDetails) {
  ASSERT_EQ(run(kCustomize + " -o eval.gguf").status, 0);
  const Json got = json(
      "eval --model model.gguf --task eval.gguf --data examples.jsonl "
      "--details details.jsonl");
  EXPECT_EQ(got["n"], 8);
  for (const char* side : {"base", "blended"}) {
    EXPECT_TRUE(got[side].contains("accuracy"));
    EXPECT_TRUE(got[side].contains("standard_error"));
  }
  EXPECT_GT(got["questions_per_second"], 0);
  const std::string details = read_text(world_->path("details.jsonl"));
  EXPECT_EQ(std::ranges::count(details, '\n'), 8);
  const Json first = Json::parse(details.substr(0, details.find('\n')));
  EXPECT_EQ(first["id"], "e0");
  EXPECT_EQ(first["answer"], 0);
  for (const char* key : {"choice", "scores", "confidence", "scope"}) {
    EXPECT_TRUE(first["blended"].contains(key)) << key;
  }
  EXPECT_THAT(details, Not(HasSubstr("secret")));
}

TEST_F(Program, BlendWritesAFileOfTheAskedNumberType) {
  const Json got = json("blend --pool pool --weights 1,0.5,0 --dtype f32 -o b.gguf");
  for (const char* key : {"file", "mode", "rank", "relative_error", "bytes", "seconds"}) {
    EXPECT_TRUE(got.contains(key)) << key;
  }
  EXPECT_EQ(got["rank"], 4);
  EXPECT_EQ(got["bytes"], std::filesystem::file_size(world_->path("b.gguf")));
}

TEST_F(Program, TasksArePutAwayShownStrippedAndDeleted) {
  ASSERT_EQ(run(kCustomize + " --name kept").status, 0);
  EXPECT_THAT(run("task list").out, HasSubstr("kept  8 examples"));
  EXPECT_EQ(json("task show kept")["weights"].size(), 3u);
  ASSERT_EQ(run("task strip kept -o bare.gguf").status, 0);
  EXPECT_FALSE(read_task(world_->path("bare.gguf")).info);
  EXPECT_EQ(run("task add bare.gguf --name bare2").status, 0);
  EXPECT_EQ(run("task delete kept").status, 0);
  EXPECT_EQ(run("task show kept").status, 3);
}

TEST_F(Program, ListsAreOneObjectAndOneBadFileHidesNoOther) {
  EXPECT_EQ(json("task list", {}, "CRAYON_HOME=" + world_->path("nowhere").string()),
            Json::parse(R"({"tasks":[]})"));
  EXPECT_EQ(json("pool list run"), Json::parse(R"({"pools":[]})"));
  ASSERT_EQ(run(kCustomize + " --name zzz").status, 0);
  world_->write("home/tasks/broken.gguf", "nothing");
  world_->write("home/tasks/no task.gguf", "nothing");
  const ProgramRun tasks = run("task list");
  EXPECT_EQ(tasks.status, 0);
  EXPECT_THAT(tasks.out, HasSubstr("broken  cannot be read: "));
  EXPECT_THAT(tasks.out, HasSubstr("\nzzz  8 examples"));
  EXPECT_THAT(tasks.out, Not(HasSubstr("no task")));
  const Json objects = json("task list")["tasks"];
  EXPECT_EQ(std::ranges::count_if(objects, [](const Json& one) { return one.contains("error"); }),
            1);
  EXPECT_EQ(objects.back()["task"], "zzz");
  std::filesystem::create_directories(world_->path("many/a"));
  world_->write("many/a/pool.json", "{");
  std::filesystem::copy(world_->path("pool"), world_->path("many/b"),
                        std::filesystem::copy_options::recursive);
  const ProgramRun pools = run("pool list many");
  EXPECT_EQ(pools.status, 0);
  EXPECT_THAT(pools.out, HasSubstr("many/a  cannot be read: "));
  EXPECT_THAT(pools.out, HasSubstr("\ntiny-"));
  EXPECT_EQ(json("pool list many")["pools"].size(), 2u);
  std::filesystem::remove(world_->path("home/tasks/broken.gguf"));
  std::filesystem::remove(world_->path("home/tasks/no task.gguf"));
}

TEST_F(Program, PoolsAreListedShownAndVerified) {
  EXPECT_THAT(run("pool list .").out, HasSubstr("tiny-"));
  EXPECT_EQ(json("pool show pool")["n_adapters"], 3);
  EXPECT_EQ(run("pool verify pool --model model.gguf").status, 0);
  std::filesystem::copy(world_->path("pool"), world_->path("broken"),
                        std::filesystem::copy_options::recursive);
  world_->write("broken/adapters/a1.gguf", "nothing");
  const ProgramRun broken = run("pool verify broken");
  EXPECT_EQ(broken.status, 5);
  EXPECT_THAT(broken.out, HasSubstr("FAILED"));
}

TEST_F(Program, ServeSaysItsAddressAndEndsOnCtrlC) {
  const std::string serve = "serve --model model.gguf --port 0";
  const ProgramRun done = world_->run(serve, {}, "timeout --preserve-status -s INT 3");
  EXPECT_EQ(done.status, 130) << done.notes;
  EXPECT_THAT(done.out, StartsWith("http://127.0.0.1:"));
}

TEST_F(Program, DefaultsComeFromFlagsThenEnvironmentThenTheFile) {
  const std::string limited = kCustomize + " -o limit.gguf";
  world_->write("crayon.toml", "limit = 3\n[customize]\nlimit = 2\n[eval]\nlimit = 7\n");
  EXPECT_EQ(json(limited)["n_examples"], 2);
  EXPECT_EQ(json(limited, {}, "CRAYON_LIMIT=4")["n_examples"], 4);
  EXPECT_EQ(json(limited + " --limit 5", {}, "CRAYON_LIMIT=4")["n_examples"], 5);
  world_->write("crayon.toml", "limt = 3\n");
  ProgramRun bad = run("task list");
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.notes, HasSubstr("crayon.toml:1: unknown key 'limt'; did you mean limit"));
  world_->write("crayon.toml", "limit = 3\nname = [\n");
  bad = run("task list");
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.notes, HasSubstr("crayon.toml:"));
  EXPECT_EQ(std::ranges::count(bad.notes, '\n'), 1);
  std::filesystem::remove(world_->path("crayon.toml"));
}

/// A socket that would notice any connection.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, any, size) != 0 || ::listen(socket_, 8) != 0) std::abort();
    ::getsockname(socket_, any, &size);
    port_ = ntohs(address.sin_port);
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  }
  ~Listener() { ::close(socket_); }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] bool was_called() const {
    const int got = ::accept(socket_, nullptr, nullptr);
    if (got >= 0) ::close(got);
    return got >= 0;
  }

 private:
  int socket_;
  int port_ = 0;
};

TEST_F(Program, CustomizeSendsNothingWhereverAServerOrProxyIsNamed) {
  const Listener listener;
  const std::string url = listener.url();
  world_->write("crayon.toml", "server-url = '" + url + "'\n");
  const ProgramRun done =
      run(kCustomize + " -o private.gguf", {},
          "CRAYON_SERVER_URL=" + url + " http_proxy=" + url + " https_proxy=" + url);
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_FALSE(listener.was_called());
  (void)run(
      "ask --model model.gguf --task base --side server --choice a --choice b q "
      "--server-timeout 1 --server-model m");
  EXPECT_TRUE(listener.was_called());  // the listener does notice: the check above can fail
  std::filesystem::remove(world_->path("crayon.toml"));
}

TEST_F(Program, ALocalOnlyTaskOrCallReachesNoServer) {
  const Listener listener;
  const std::string server =
      " --model model.gguf --server-model m --server-timeout 1 --server-url " + listener.url();
  EXPECT_EQ(json(kCustomize + " --name local --local-only")["local_only"], true);
  EXPECT_THAT(run("task show local").out, HasSubstr("local only"));
  const std::string ask = "ask --side server --choice a --choice b q" + server;
  EXPECT_EQ(json(ask + " --task local")["reason"], "local only");
  EXPECT_EQ(json(ask + " --task base --local-only")["reason"], "local only");
  const ProgramRun eval = run("eval -q --task local --data examples.jsonl" + server);
  EXPECT_EQ(eval.status, 2);
  EXPECT_THAT(eval.notes, HasSubstr("'local' is local only"));
  EXPECT_FALSE(listener.was_called());
}

TEST_F(Program, CustomizeSaysWhatItCutAndWhyItDidNotCompare) {
  const std::string passage(600, 'x');
  world_->write("passage.jsonl", R"({"question":"a","context":")" + passage +
                                     R"(","choices":["x","y"],"answer":0})"
                                     "\n" +
                                     R"({"question":"b","choices":["x","y"]})"
                                     "\n");
  const std::string made = "customize --model model.gguf --pool pool -o cut.gguf ";
  const std::string cut = made + "--context-tokens 128 --examples passage.jsonl";
  EXPECT_EQ(json(cut)["cut_examples"], 1);
  EXPECT_THAT(run(cut).out, HasSubstr("1 passage to fit the context"));
  EXPECT_THAT(run(cut).out, HasSubstr("one labelled question only"));
  EXPECT_THAT(run(made + "--examples examples.jsonl --no-compare").out,
              HasSubstr("not compared, as --no-compare asks"));
}

TEST_F(Program, AFlagIsStrongerThanADefaultThatItExcludes) {
  const std::string ask = "ask --model model.gguf --task base --side device hi";
  const std::string server = " --server-url http://127.0.0.1:9";
  EXPECT_EQ(run(ask + server, {}, "CRAYON_SERVER_SHARE=0.5").status, 0);
  world_->write("crayon.toml", "server-share = 0.5\n");
  EXPECT_EQ(run(ask + server).status, 0);
  std::filesystem::remove(world_->path("crayon.toml"));
  EXPECT_EQ(run(ask + server + " --server-share 0.5").status, 2);
}

TEST_F(Program, AKeyOfBlanksIsNone) {
  world_->write("blank.key", " \n");
  const std::string serve = "serve --model model.gguf --port 0 --host 0.0.0.0";
  EXPECT_EQ(run(serve, {}, "CRAYON_KEY=' '").status, 2);
  EXPECT_THAT(run(serve + " --key-file blank.key").notes, HasSubstr("the key file is empty"));
}

/// The program beside a trainer that prints its arguments.
TEST_F(Program, TrainHandsFlagsEnvironmentAndSettingsToTheTrainer) {
  std::filesystem::create_directories(world_->path("bin"));
  std::filesystem::copy_file(std::getenv("CRAYON_BIN"), world_->path("bin/crayon"));
  world_->write("bin/crayon-trainer", "#!/bin/sh\nprintf '%s ' \"$@\"\n");
  std::filesystem::permissions(world_->path("bin/crayon-trainer"),
                               std::filesystem::perms::owner_all);
  const std::string copied = " sh -c 'shift; exec bin/crayon \"$@\"' sh";
  world_->write("crayon.toml", "gpu-layers = 0\n[train]\nthreads = 2\nslice-minutes = 1.5\n");
  EXPECT_EQ(run("task list").status, 0);
  ProgramRun done = run("train --json", {}, "CRAYON_THREADS= CRAYON_CONFIG=c.toml" + copied);
  EXPECT_EQ(done.out, "--config=c.toml --slice-minutes=1.5 --threads=2 --json ") << done.notes;
  done = run("train --config d.toml --restart --gpu-layers 3", {}, copied);
  EXPECT_EQ(done.out, "--config=d.toml --restart --slice-minutes=1.5 --threads=1 ");
  EXPECT_THAT(done.notes, HasSubstr("--gpu-layers is not used"));
  std::filesystem::remove(world_->path("crayon.toml"));
}

struct BadCall {
  std::string args;
  int status;
  std::string says;
};

const std::string kCustomizeNew =
    "customize --model model.gguf --pool pool -o new.gguf --examples ";
const BadCall kBadCalls[] = {
    {"", 2, "subcommand"},
    {"custmize", 2, "did you mean customize"},
    {"customize --pol pool", 2, "did you mean --pool"},
    {"customize --pool pool", 2, "--examples is required"},
    {"blend --pool pool -o new.gguf", 2, "--weights is required"},
    {"blend --pool pool --weights 1,x,0 -o new.gguf", 2, "--weights"},
    {"blend --pool pool --weights 1,2 -o new.gguf", 2, "2"},
    {"blend --pool pool --weights 1,nan,0 -o new.gguf", 2, "finite"},
    {"blend --pool pool --weights 1,0,0 --rank 0 -o new.gguf", 2, "--rank"},
    {"blend --pool pool --weights 1,0,0 --mode exat -o new.gguf", 2, "--mode"},
    {"blend --pool pool --weights 1,0,0 --dtype q4 -o new.gguf", 2, "--dtype"},
    {"blend --pool pool --weights 1,0,0 -o folder", 2, "is a folder"},
    {"blend --pool pool --weights 1,0,0 -o none/new.gguf", 2, "folder none does not exist"},
    {"blend --pool folder --weights 1,0,0 -o new.gguf", 3, "pool.json"},
    {"blend --pool nowhere --weights 1,0,0 -o new.gguf", 3, "nowhere"},
    {kCustomizeNew + "none.jsonl", 3, "none.jsonl"},
    {kCustomizeNew + "empty.jsonl", 2, "empty.jsonl"},
    {kCustomizeNew + "folder", 2, "folder"},
    {kCustomizeNew + "bad.jsonl", 2, "bad.jsonl:1"},
    {kCustomizeNew + "examples.jsonl --weights 1,0", 2, "3 base adapters"},
    {kCustomizeNew + "examples.jsonl --weights 1,0,0 --refine", 2, "--refine"},
    {kCustomizeNew + "examples.jsonl --mode exact --rank 2", 2, "--rank 2 goes with"},
    {kCustomizeNew + "examples.jsonl --refine --no-compare", 2, "--refine"},
    {kCustomizeNew + "examples.jsonl --name ../x", 2, "task name"},
    {kCustomizeNew + "examples.jsonl --threads -1", 2, "--threads"},
    {kCustomizeNew + "examples.jsonl --limit x", 2, "--limit"},
    {"customize --model notes.txt --pool pool -o new.gguf --examples examples.jsonl", 5,
     "notes.txt"},
    {"customize --model none.gguf --pool pool -o new.gguf --examples examples.jsonl", 3,
     "none.gguf"},
    {"customize --pool pool -o new.gguf --examples examples.jsonl", 3, "--model"},
    {"ask --model model.gguf --task nope hi", 3, "no task 'nope'"},
    {"ask --model model.gguf --task notes.txt hi", 5, "notes.txt"},
    {"ask --model model.gguf --task model.gguf hi", 5, "model.gguf"},
    {"ask --model model.gguf --task base", 2, "no question"},
    {"ask --model model.gguf --task base --questions q.jsonl hi", 2,
     "--questions excludes question"},
    {"ask --model model.gguf --task base --questions q.jsonl -", 2,
     "--questions excludes question"},
    {"ask --model model.gguf --task base --questions q.jsonl --choice a", 2, "excludes"},
    {"ask --model model.gguf --task base --context a -", 2, "--context goes with one question"},
    {"ask --model model.gguf --task base --choice a --choice b -- -", 2, "--choice goes with"},
    {"ask --model model.gguf --task base --side device --server-share 0.5 hi", 2, "excludes"},
    {"ask --model model.gguf --task base --choice one hi", 2, "at least 2"},
    {"ask --model model.gguf --task base --side server hi", 2, "--server-url"},
    {"ask --model model.gguf --task base --server-share 0.5 hi", 2, "--server-url"},
    {"ask --model model.gguf --task base --server-url ftp://x --side server hi", 6, "ftp"},
    {"ask --model model.gguf --task base --server-share 2 --server-url http://x hi", 2,
     "--server-share"},
    {"ask --model model.gguf --task base --server-url http://x --server-key-file none hi", 3,
     "none"},
    {"eval --model model.gguf --task base --data none.jsonl", 3, "none.jsonl"},
    {"eval --model model.gguf --task base --data examples.jsonl --details none/d", 2,
     "does not exist"},
    {"task show nope", 3, "no task 'nope'"},
    {"task delete nope", 3, "no task 'nope'"},
    {"task strip old.gguf -o new.gguf", 5, "old.gguf"},
    {"task add notes.txt", 5, "notes.txt"},
    {"pool show folder", 3, "pool.json"},
    {"models path nope", 3, "nope"},
    {"models path smollm2", 3, "smollm2-135m-instruct"},
    {"serve --model none.gguf --host 0.0.0.0 --port 0", 2, "key"},
    {"serve --model model.gguf --port 99999", 2, "--port"},
    {"--settings none.toml task list", 2, "none.toml"},
};

TEST_F(Program, BadCallsGiveOneClearLineTheRightStatusAndNoFile) {
  world_->write("empty.jsonl", "");
  world_->write("bad.jsonl", "{\"question\": \"secret\", \"choices\": [\"a\"]}\n");
  world_->write("notes.txt", "this is no GGUF");
  world_->write("old.gguf", "as it was");
  std::filesystem::create_directories(world_->path("folder"));
  const auto before = world_->files();
  for (const BadCall& call : kBadCalls) {
    const ProgramRun done = run(call.args);
    EXPECT_EQ(done.status, call.status) << call.args << "\n" << done.notes;
    EXPECT_THAT(done.notes, HasSubstr(call.says)) << call.args;
    EXPECT_THAT(done.notes, HasSubstr("crayon: ")) << call.args;
    EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << call.args << "\n" << done.notes;
    EXPECT_THAT(done.notes, Not(HasSubstr("secret"))) << call.args;
    EXPECT_EQ(done.out, "") << call.args;
  }
  EXPECT_EQ(world_->files(), before);
}

TEST_F(Program, AFailedCallLeavesTheOldFileAsItWas) {
  world_->write("stays.gguf", "as it was");
  world_->write("half.jsonl", R"({"question":"a","choices":["x","y"]})"
                              "\nnot JSON\n");
  const ProgramRun done =
      run("customize --model model.gguf --pool pool --examples half.jsonl -o stays.gguf");
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.notes, HasSubstr("half.jsonl:2"));
  EXPECT_EQ(read_text(world_->path("stays.gguf")), "as it was");
}

TEST_F(Program, AnotherBaseModelIsRefusedAndBothAreNamed) {
  write_random_model(world_->path("other.gguf"), {.d_model = 32, .seed = 2});
  const ProgramRun done =
      run("customize --model other.gguf --pool pool --examples examples.jsonl -o new.gguf");
  EXPECT_EQ(done.status, 4);
  EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << done.notes;
  EXPECT_FALSE(std::filesystem::exists(world_->path("new.gguf")));
}

TEST_F(Program, AnotherQuantisationOfTheBaseWarnsAndIsUsed) {
  write_random_model(world_->path("again.gguf"), {.seed = 2});  // same shapes, other bytes
  const ProgramRun done = run(
      "customize -q --model again.gguf --pool pool --examples examples.jsonl -o again-task.gguf");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.notes, HasSubstr("another quantisation"));
  EXPECT_TRUE(read_task(world_->path("again-task.gguf")).info->calibration.approximate);
}

TEST_F(Program, HelpAndVersionGoToStandardOutput) {
  EXPECT_THAT(run("--version").out, StartsWith("crayon 0."));
  const ProgramRun help = run("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("customize"));
  EXPECT_THAT(help.out, HasSubstr("Examples:"));
  EXPECT_EQ(help.notes, "");
}

}  // namespace
}  // namespace crayon
