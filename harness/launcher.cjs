#!/bin/sh
':' //; while read -r field mask; do [ "$field" != SigIgn: ] || break; done <"/proc/$$/status"; case $mask in *[13579bdf]) export SPLAT_NOHUP=1 ;; *) unset SPLAT_NOHUP ;; esac; exec node "$0" "$@"
// SPDX-License-Identifier: MIT
// The launcher: plain JavaScript of old syntax and no dependencies, so that it runs where nothing is set up yet. It
// installs the node modules when they are missing, compiles the harness when its sources changed, and then goes on as
// the harness, in this same process: a harness that is killed leaves no second one behind.
//
// The second line is for sh, which becomes this program: nohup(1) lets a program ignore SIGHUP, the first bit of SigIgn in
// proc(5), but Node undoes that before it runs anything. So the harness hears of it from SPLAT_NOHUP.
'use strict';

var childProcess = require('child_process');
var crypto = require('crypto');
var fs = require('fs');
var nodeModule = require('module');
var os = require('os');
var path = require('path');
var url = require('url');
var v8 = require('v8');

var root = path.dirname(__dirname);
var dist = path.join(root, 'dist');
var oldestNode = [20, 19];
var exitHarness = 128;
var exitUsage = 129;

function say(text) {
  process.stderr.write('splat: ' + text + '\n');
}

function give(text, code) {
  say(text);
  process.exit(code || exitHarness);
}

/** A reader that closes the pipe has seen enough; any other error of stdout is reported. Without this, Node would exit with 1: a splat. */
function watchOutput() {
  process.stdout.on('error', function (error) {
    if (error.code === 'EPIPE') process.exit(exitHarness);
    give('cannot write to standard output: ' + (error.code === 'ENOSPC' ? 'no space left' : error.code));
  });
}

function checkNode() {
  var parts = process.versions.node.split('.').map(Number);
  if (parts[0] > oldestNode[0] || (parts[0] === oldestNode[0] && parts[1] >= oldestNode[1])) return;
  give('needs Node ' + oldestNode.join('.') + ' or newer, this is ' + process.versions.node);
}

/**
 * Makes V8 of Node 20 optimize functions later. By default, V8 compiles a function again, optimized, after 3 times 66 KiB of its
 * bytecode have run. In a triage of 100 MB, these compilations took a fifth of the time, which faster code did not make up for.
 * Later versions of Node have the compiler Maglev in between, and keep their setting.
 */
function optimizeLater() {
  if (process.versions.node.split('.')[0] === '20') v8.setFlagsFromString('--interrupt-budget=600000');
}

function packageJson() {
  return JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
}

/** The paths of all sources of the harness, in a fixed order. */
function sourcesBelow(dir, found) {
  fs.readdirSync(dir, { withFileTypes: true }).forEach(function (item) {
    var file = path.join(dir, item.name);
    if (item.isDirectory()) sourcesBelow(file, found);
    else if (/\.(ts|cjs)$/.test(item.name)) found.push(file);
  });
  return found.sort();
}

/** The files from which the harness is compiled; undefined in an installed package, which contains the compiled harness. */
function sources() {
  if (!fs.existsSync(path.join(root, 'harness', 'cli.ts'))) return undefined;
  var found = [];
  ['harness', 'patches'].forEach(function (dir) {
    sourcesBelow(path.join(root, dir), []).forEach(function (file) {
      found.push(file);
    });
  });
  return found.concat(path.join(root, 'package-lock.json'));
}

function digestOf(files, describe) {
  var hash = crypto.createHash('sha256').update(process.versions.node.split('.')[0]);
  files.forEach(function (file) {
    hash.update(path.relative(root, file) + '\0').update(describe(file)).update('\0');
  });
  return hash.digest('hex');
}

/**
 * The facts about a file that change whenever its content does: no program can set the time of the last change (ctime). A file with
 * the same facts need not be read again.
 */
function changeOf(file) {
  var stat = fs.statSync(file);
  return [stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino].join(' ');
}

/** The digest of all sources. It is stored together with the facts about the files at that time. */
function sourceDigest() {
  var files = sources();
  if (files === undefined) return undefined;
  var seen = digestOf(files, changeOf);
  var kept = (readDist('seen') || '').split(' ');
  if (kept[0] === seen) return kept[1];
  var digest = digestOf(files, function (file) {
    return fs.readFileSync(file);
  });
  try {
    writeDist('seen', seen + ' ' + digest);
  } catch (error) {
    // When the folder cannot be written to, the digest is not stored, and the sources are read each time. If the compiled harness
    // cannot be stored either, the error is reported there.
  }
  return digest;
}

function readDist(name) {
  try {
    return fs.readFileSync(path.join(dist, name), 'utf8');
  } catch (error) {
    return undefined;
  }
}

function writeDist(name, text) {
  var file = path.join(dist, name + '.' + process.pid);
  fs.writeFileSync(file, text);
  fs.renameSync(file, path.join(dist, name));
}

function readStamp() {
  return readDist('stamp');
}

/** Runs a program with its output on stderr; stdout belongs to the command. */
function mustRun(program, args, what) {
  var done = childProcess.spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.error && done.error.code === 'ENOENT') give(what + ': ' + program + ' is not installed');
  if (done.signal) process.exit(130);
  if (done.status !== 0) give(what + ' failed: ' + [program].concat(args).join(' '));
}

/**
 * Runs `work` while no other process sets up this checkout. The lock is released when this process ends, however that happens.
 */
function locked(work) {
  try {
    fs.mkdirSync(dist, { recursive: true });
    fs.accessSync(dist, fs.constants.W_OK);
  } catch (error) {
    give('cannot write to ' + dist + ': ' + error.code + '; it holds the compiled harness');
  }
  var flags = ['--exclusive', path.join(dist, 'lock'), process.execPath, __filename, work];
  mustRun('flock', flags, 'setting up');
}

/**
 * Installs the node modules, unless they are complete and fit this lock file. With `dev`, the tools for tests are installed, too;
 * a folder that already has these tools keeps them.
 */
function installModules(dev) {
  var modules = path.join(root, 'node_modules');
  var stamp = path.join(modules, '.splat-installed');
  var lock = crypto.createHash('sha256').update(fs.readFileSync(path.join(root, 'package-lock.json'))).digest('hex');
  var hasTools = fs.existsSync(path.join(modules, 'tap', 'package.json'));
  var current = fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock;
  if (current && (hasTools || !dev)) return;
  say('installing node modules');
  var which = dev || hasTools ? '--include=dev' : '--omit=dev';
  mustRun('npm', ['ci', '--no-progress', '--loglevel=error', which], 'installing node modules');
  fs.writeFileSync(stamp, lock);
}

function compile() {
  var digest = sourceDigest();
  if (readStamp() === digest) return;
  installModules(false);
  say('compiling');
  var options = {
    entryPoints: [path.join(root, 'harness', 'cli.ts')],
    outdir: path.join(dist, digest),
    bundle: true,
    splitting: true,
    external: Object.keys(packageJson().dependencies).filter(function (name) {
      return name !== 'yargs';
    }),
    alias: { 'string-width': path.join(root, 'harness', 'ascii-width.ts') },
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'error',
  };
  require(path.join(root, 'node_modules', 'esbuild')).buildSync(options);
  writeDist('stamp', digest);
  removeOld(digest);
}

/**
 * Removes compiled versions of the harness that are older than a day. A version that is younger may still be in use: a long run
 * loads parts of it late.
 */
function removeOld(digest) {
  fs.readdirSync(dist).forEach(function (name) {
    var dir = path.join(dist, name);
    if (!/^[0-9a-f]{64}$/.test(name) || name === digest) return;
    if (Date.now() - fs.statSync(dir).mtimeMs > 24 * 3600 * 1000) fs.rmSync(dir, { recursive: true, force: true });
  });
}

function launch(digest) {
  // Node 22 and later can store the code that V8 compiled from the modules.
  if (nodeModule.enableCompileCache) nodeModule.enableCompileCache(path.join(dist, digest, 'v8'));
  var cli = path.join(dist, digest, 'cli.js');
  if (process.sourceMapsEnabled === undefined && process.setSourceMapsEnabled) process.setSourceMapsEnabled(true);
  import(url.pathToFileURL(cli).href).then(
    function (module) {
      return module.main(process.argv.slice(2), packageJson().version).then(
        function (code) {
          process.exitCode = code;
        },
        function (error) {
          give('internal error, please report it: ' + (error && error.stack));
        },
      );
    },
    function (error) {
      give('the compiled harness cannot be loaded: ' + error.message + '; remove ' + dist + ' and try again');
    },
  );
}

/** The first line that a program prints about its version. */
function firstLine(program) {
  var done = childProcess.spawnSync(program, ['--version'], { encoding: 'utf8' });
  return done.status === 0 ? done.stdout.split('\n')[0] : 'not found';
}

/** Prints the versions that a report of a bug should begin with. */
function describeVersion() {
  var digest = sourceDigest();
  var rows = [
    ['splat', packageJson().version],
    ['sources', digest === undefined ? 'an installed package' : 'a checkout, digest ' + digest.slice(0, 16)],
    ['node', process.version + ' ' + process.platform + ' ' + process.arch],
    ['qemu', firstLine('qemu-system-x86_64')],
    ['compiler', firstLine('gcc')],
    ['host', os.type() + ' ' + os.release() + ', ' + os.cpus().length + ' cores'],
  ];
  rows.forEach(function (row) {
    process.stdout.write((row[0] + '         ').slice(0, 10) + row[1] + '\n');
  });
}

/** `splat setup [--dev]` */
function setUp(options) {
  var wrong = options.filter(function (option) {
    return !/^--(dev|help)$/.test(option);
  })[0];
  if (wrong !== undefined) give('setup: ' + JSON.stringify(wrong) + ' is no option; the only option of setup is --dev', exitUsage);
  if (options.indexOf('--help') >= 0)
    return void process.stdout.write('splat setup [--dev]: installs npm packages (with --dev, those of the tests too) and compiles splat\n');
  if (sources() === undefined) return say('an installed package needs no setup; splat doctor tells what this host lacks');
  locked(options.length > 0 ? '--set-up-locked-dev' : '--set-up-locked');
}

/**
 * Starts the harness. `splat setup [--dev]` only prepares everything, and `npm test` begins with it; an installed package needs no
 * preparation.
 */
function main() {
  checkNode();
  optimizeLater();
  var args = process.argv.slice(2);
  if (args[0] === '--set-up-locked') return compile();
  if (args[0] === '--set-up-locked-dev') {
    installModules(true);
    return compile();
  }
  if (args[0] === 'setup') return setUp(args.slice(1));
  var verbose = args.length === 2 && args.indexOf('--version') >= 0 && args.indexOf('--verbose') >= 0;
  if (verbose || (args.length === 1 && args[0] === '--version')) {
    watchOutput();
    return verbose ? describeVersion() : void process.stdout.write(packageJson().version + '\n');
  }
  var digest = sourceDigest() || readStamp();
  if (digest === undefined) give('dist/ is missing from the package; install it again');
  if (readStamp() !== digest) {
    locked('--set-up-locked');
    digest = readStamp();
  }
  launch(digest);
}

main();
