"""The texts of a node's /etc and of root's home: what Debian and an administrator would have put there."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""

GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
sudo:x:27:
www-data:x:33:
backup:x:34:
shadow:x:42:
utmp:x:43:
staff:x:50:
users:x:100:
nogroup:x:65534:
"""

SHADOW = "".join(f"{line.split(':')[0]}:*:20000:0:99999:7:::\n" for line in PASSWD.splitlines())

HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
{address}\t{hostname}
"""

RESOLV_CONF = "# The lab's network ends at the lab: there is no name server to ask.\n"

NSSWITCH = """\
passwd:         files
group:          files
shadow:         files
hosts:          files dns
networks:       files
protocols:      files
services:       files
"""

OS_RELEASE = """\
PRETTY_NAME="Linux"
NAME="Linux"
ID=linux
"""

CRICTL = """\
runtime-endpoint: unix:///run/containerd/containerd.sock
image-endpoint: unix:///run/containerd/containerd.sock
timeout: 10
debug: false
"""

PROFILE = f"""\
# Read by login shells.
export PATH={PATH}
export KUBECONFIG=${{KUBECONFIG:-/etc/kubernetes/admin.conf}}
if [ "${{BASH-}}" ] && [ "$BASH" != /bin/sh ] && [ "${{PS1-}}" ]; then
  . /etc/bash.bashrc
elif [ "${{PS1-}}" ]; then
  PS1='# '
fi
for script in /etc/profile.d/*.sh; do
  [ -r "$script" ] && . "$script"
done
unset script
"""

BASH_BASHRC = r"""# Read by every interactive bash.
[ -z "$PS1" ] && return
shopt -s checkwinsize histappend
PS1='\u@\h:\w\$ '
"""

INPUTRC = r"""# Keys for programs that read lines with readline.
set meta-flag on
set input-meta on
set convert-meta off
set output-meta on
set bell-style none
"\e[1~": beginning-of-line
"\e[4~": end-of-line
"\e[3~": delete-char
"\e[1;5C": forward-word
"\e[1;5D": backward-word
"""

ROOT_PROFILE = """\
# Read by root's login shells.
if [ "${BASH-}" ] && [ -r ~/.bashrc ]; then
  . ~/.bashrc
fi
"""

#: kubectl's completion script is large: it is asked for at the first Tab, not at every start of a shell.
#: It needs two functions of the bash-completion package, which not every machine has.
ROOT_BASHRC = r"""# Read by root's interactive shells.
[ -z "$PS1" ] && return
export KUBECONFIG=${KUBECONFIG:-/etc/kubernetes/admin.conf}
alias k=kubectl
alias ll='ls -l'

if [ -r /usr/share/bash-completion/bash_completion ]; then
  . /usr/share/bash-completion/bash_completion
else
  # Hand over the words of the command line: cur, prev, words and cword of the caller.
  _get_comp_words_by_ref() {
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  }
  __ltrim_colon_completions() { :; }
fi

# At the first Tab, load what completes a command, and have bash try again (status 124).
_load_kubectl_completion() {
  source <(command kubectl completion bash)
  complete -o default -F __start_kubectl kubectl k
  return 124
}
complete -F _load_kubectl_completion kubectl k

_load_etcdctl_completion() {
  source <(command etcdctl completion bash)
  return 124
}
complete -F _load_etcdctl_completion etcdctl
"""

#: YAML wants spaces, two of them.
ROOT_VIMRC = """\
set nocompatible
set expandtab tabstop=2 softtabstop=2 shiftwidth=2 autoindent
set backspace=indent,eol,start
syntax on
"""

VIMRC = "runtime! debian.vim\n"
